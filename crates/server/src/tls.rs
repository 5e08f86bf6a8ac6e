//! The only way in: TLS 1.3 with a client certificate of the deployment's own authority.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::identity::Peer;

/// A handshake that takes longer is cut.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why the server's certificates can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {}", file.display())]
    Pem {
        file: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("the client certificate authority in {} can't be used", file.display())]
    Authority {
        file: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the server certificate and its key can't be used")]
    Server(#[source] rustls::Error),
}

/// When the first certificate of a file ends (seconds since 1970); `None` where none can be read.
pub(crate) fn end(file: &Path) -> Option<i64> {
    let first = CertificateDer::pem_file_iter(file).ok()?.next()?.ok()?;
    let (_, read) = X509Certificate::from_der(&first).ok()?;
    Some(read.validity().not_after.timestamp())
}

/// TLS 1.3 alone, client certificate required, HTTP/2 alone.
pub(crate) fn server_config(authority: &Path, certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let pem = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::Pem { file, source }
    };
    let refuse = |e: Box<dyn std::error::Error + Send + Sync>| TlsError::Authority { file: authority.to_owned(), source: e };
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(authority).map_err(pem(authority))? {
        roots.add(root.map_err(pem(authority))?).map_err(|e| refuse(e.into()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().map_err(|e| refuse(e.into()))?;
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(pem(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Server)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(TlsError::Server)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Accepts connections until told to stop; at most `max` are open at once, the rest wait in the kernel's queue.
pub(crate) async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    max: usize,
    ready: mpsc::Sender<io::Result<PeerStream>>,
    refused: mpsc::Sender<()>,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(config);
    let slots = Arc::new(Semaphore::new(max));
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        let next = async {
            let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(tcp, from)| (tcp, from, slot))
        };
        let (tcp, from, slot) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = next => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: an accept that fails at once must not spin.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (acceptor, ready, refused) = (acceptor.clone(), ready.clone(), refused.clone());
        handshakes.spawn(async move {
            let _ = tcp.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await {
                Ok(Ok(tls)) => drop(ready.send(Ok(PeerStream::new(tls, slot))).await),
                // A balancer that looks whether we are there, every second.
                Ok(Err(error)) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    tracing::debug!(%from, %error, "connection closed before its handshake was done");
                }
                Ok(Err(error)) => {
                    tracing::info!(%from, %error, "connection refused");
                    // Those who show no certificate of ours; a scanner that speaks no TLS is only in the log.
                    if is_about_certificate(&error) {
                        let _ = refused.try_send(());
                    }
                }
                Err(_) => tracing::info!(%from, "connection cut: the handshake took too long"),
            }
        });
    }
    handshakes.shutdown().await;
}

fn is_about_certificate(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

/// An open connection of somebody known; gives back its slot when it ends.
pub(crate) struct PeerStream {
    tls: TlsStream<TcpStream>,
    peer: Peer,
    _slot: OwnedSemaphorePermit,
}

impl PeerStream {
    fn new(tls: TlsStream<TcpStream>, slot: OwnedSemaphorePermit) -> Self {
        let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        Self { peer: Peer::from_certificate(certificate.map(AsRef::as_ref)), tls, _slot: slot }
    }
}

impl Connected for PeerStream {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
