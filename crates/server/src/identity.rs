//! Who calls: the URI `sightline://<organisation>/<role>/<name>` in the client certificate.

use std::sync::Arc;

use access::{Caller, NameError};
use tonic::{Code, Request, Status};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The other end of a connection. The handshake verified its certificate; what that says may still name nobody.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Result<Arc<Caller>, IdentityError>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("the client showed no certificate")]
    NoCertificate,
    #[error("the client certificate can't be read")]
    Malformed,
    #[error("the client certificate must hold exactly one sightline:// URI, it holds {0}")]
    Uris(usize),
    #[error("the client certificate names nobody: {0}")]
    Name(#[from] NameError),
}

impl Peer {
    pub(crate) fn from_certificate(der: Option<&[u8]>) -> Self {
        Self(der.ok_or(IdentityError::NoCertificate).and_then(caller_of).map(Arc::new))
    }
}

/// The caller of a request.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Arc<Caller>, Status> {
    let refuse = |e: &IdentityError| {
        tracing::warn!(error = %e, "request of nobody refused");
        proto::status(Code::Unauthenticated, &e.to_string(), "no_identity", "use an identity that `sightline init` made")
    };
    match request.extensions().get::<Peer>() {
        Some(Peer(Ok(caller))) => Ok(caller.clone()),
        Some(Peer(Err(error))) => Err(refuse(error)),
        None => Err(refuse(&IdentityError::NoCertificate)),
    }
}

fn caller_of(der: &[u8]) -> Result<Caller, IdentityError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| IdentityError::Malformed)?;
    let names = certificate.subject_alternative_name().map_err(|_| IdentityError::Malformed)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|n| &n.value.general_names)
        .filter_map(|n| if let GeneralName::URI(uri) = n { Some(*uri) } else { None })
        .filter(|uri| uri.starts_with("sightline://"))
        .collect();
    match uris[..] {
        [uri] => Ok(Caller::from_uri(uri)?),
        _ => Err(IdentityError::Uris(uris.len())),
    }
}
