//! Who calls: the URI `sightline://<organisation>/<role>/<name>` in the client certificate.

use std::sync::Arc;

use access::Caller;
use tonic::{Code, Request, Status};

use deployment::certificate::{CertifiedCaller, IdentityError, named};

/// The other end of a connection. The handshake verified its certificate; what that says may still name nobody.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Result<Arc<CertifiedCaller>, IdentityError>);

impl Peer {
    pub(crate) fn from_certificate(der: Option<&[u8]>) -> Self {
        Self(der.ok_or(IdentityError::NoCertificate).and_then(named).map(Arc::new))
    }

    pub(crate) fn known(&self) -> Result<Arc<CertifiedCaller>, &IdentityError> {
        self.0.as_ref().map(Arc::clone)
    }
}

/// What somebody is told whom their certificate does not name.
pub(crate) fn refuse(error: Option<&IdentityError>) -> Status {
    let error = error.unwrap_or(&IdentityError::NoCertificate);
    tracing::warn!(%error, "request of nobody refused");
    proto::status(Code::Unauthenticated, &error.to_string(), "no_identity", "use an identity that `sightline init` made")
}

/// The caller of a request.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    match request.extensions().get::<Peer>().map(Peer::known) {
        Some(Ok(known)) => Ok(known.caller.clone()),
        other => Err(refuse(other.and_then(Result::err))),
    }
}
