//! Asks a server why it ends our connections. In TLS 1.3 a client learns only after its side of the handshake that its
//! certificate was not taken, and what speaks HTTP/2 over it then knows of nothing but a closed connection.

use std::{sync::Arc, time::Duration};

use deployment::Home;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, AlertDescription, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::edge::tls::PREFACE;

const PATIENCE: Duration = Duration::from_secs(5);

/// What the server at `host:port` has against an identity's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// The record says that it was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

/// Connects once more, only to hear why; `None` where the server has nothing against the certificate, or says nothing.
pub async fn turned_away(home: &Home, server: &str, identity: &str) -> Option<TurnedAway> {
    tokio::time::timeout(PATIENCE, ask(home, server, identity)).await.ok().flatten()
}

async fn ask(home: &Home, server: &str, identity: &str) -> Option<TurnedAway> {
    let (certificate, key) = home.identity(identity);
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(home.authority()).ok()? {
        roots.add(root.ok()?).ok()?;
    }
    let chain = CertificateDer::pem_file_iter(certificate).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .ok()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).ok()?)
        .ok()?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let host = server.rsplit_once(':')?.0.trim_matches(['[', ']']).to_owned();
    let tcp = TcpStream::connect(server).await.ok()?;
    let mut tls = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host).ok()?, tcp).await.ok()?;
    // It may be closed already; what was said before can still be read.
    let _ = tls.write_all(PREFACE).await;
    let error = tls.read_u8().await.err()?;
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(AlertDescription::CertificateRevoked) => Some(TurnedAway::Revoked),
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => Some(TurnedAway::Expired),
        _ => None,
    }
}
