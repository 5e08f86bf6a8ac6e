//! The only way in: TLS 1.3 with a client certificate of the deployment's own authority.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use access::{Caller, Code};
use deployment::certificate::{CertifiedCaller, hosts_of};
use parking_lot::RwLock;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
        client::danger::HandshakeSignatureValid,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
        server::{
            NoServerSessionStorage, WebPkiClientVerifier,
            danger::{ClientCertVerified, ClientCertVerifier},
        },
        time_provider::TimeProvider,
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::{
    base::clock::Clock,
    edge::{
        callers::Callers,
        identity::Peer,
        places::{Pending, Places, Slot},
    },
};

/// A handshake that takes longer is cut.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// What a connection of HTTP/2 begins with.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Who has shown who they are has so long to begin.
const PREFACE_WITHIN: Duration = Duration::from_secs(5);
/// Connections of which it is not known yet whose they are, at most.
const PENDING: usize = 512;
/// Whose certificate stands no more can call for so long to be told so.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Why the server's certificates can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not PEM, or can't be read.
    #[error("read {}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The authority that clients are held against can't be used.
    #[error("the client certificate authority in {} can't be used", file.display())]
    Authority {
        /// Its file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server's own certificate can't be used. Says what is wrong with it.
    #[error("the server certificate and its key can't be used")]
    Server(#[source] rustls::Error),
}

/// TLS 1.3 alone, client certificate required, HTTP/2 alone.
///
/// No session is resumed: that would go without a look at the certificate.
pub(crate) fn server_config(authority: &Path, certificate: &Path, key: &Path, door: Door) -> Result<Shown, TlsError> {
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
    let names = chain.first().and_then(|first| hosts_of(first)).unwrap_or_default().into();
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let verifier = Arc::new(StandingCertificate { inner: verifier, door: door.clone() });
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(door))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Server)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(TlsError::Server)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Shown { acceptor: TlsAcceptor::from(Arc::new(config)), names })
}

/// What a server shows of itself to whoever comes.
#[derive(Clone)]
pub(crate) struct Shown {
    acceptor: TlsAcceptor,
    /// By which its certificate may be called.
    names: Arc<[String]>,
}

/// Whom a certificate that is not taken belongs to, as far as that is known, and why it is not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) code: Code,
}

/// What every connection passes, and what it is held against.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) callers: Arc<Callers>,
    pub(crate) clock: Clock,
    /// Certificates that were not taken, for the record.
    pub(crate) refused: mpsc::Sender<Refused>,
}

impl Door {
    fn refuse(&self, caller: Option<Arc<Caller>>, code: Code) {
        // While the last one is still being noted another adds nothing.
        let _ = self.refused.try_send(Refused { caller, code });
    }
}

impl TimeProvider for Door {
    fn current_time(&self) -> Option<UnixTime> {
        let since = u64::try_from(self.clock.now().as_micros()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(since)))
    }
}

/// A certificate of the deployment's authority that is not over and was not revoked.
#[derive(Debug)]
struct StandingCertificate {
    inner: Arc<dyn ClientCertVerifier>,
    door: Door,
}

impl ClientCertVerifier for StandingCertificate {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.inner.verify_client_cert(certificate, intermediates, now).inspect_err(|error| {
            // Who it is nobody has proven yet.
            let expired = matches!(
                error,
                rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
            );
            self.door.refuse(None, if expired { Code::IdentityExpired } else { Code::Untrusted });
        })
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    /// Only now it is proven who calls: whoever holds no key can't put another's name on the record.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.inner.verify_tls13_signature(message, certificate, signed)?;
        if let Ok(known) = Peer::from_certificate(Some(certificate)).known()
            && self.door.callers.is_revoked(&known.serial)
        {
            self.door.refuse(Some(known.caller.clone()), Code::IdentityRevoked);
            return Err(rustls::Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// What the next handshake goes by.
pub(crate) struct Handshakes(RwLock<Shown>);

impl Handshakes {
    pub(crate) fn new(shown: Shown) -> Arc<Self> {
        Arc::new(Self(RwLock::new(shown)))
    }

    /// Holds for the next connection; those that are open stay.
    pub(crate) fn replace(&self, shown: Shown) {
        *self.0.write() = shown;
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.0.read().acceptor.clone()
    }

    /// By which the server may be called.
    pub(crate) fn names(&self) -> Arc<[String]> {
        Arc::clone(&self.0.read().names)
    }
}

/// Accepts connections until told to stop. Nobody waits for a place: see [`Pending`] and [`Places`].
pub(crate) async fn accept(
    listener: TcpListener,
    handshakes: Arc<Handshakes>,
    places: Arc<Places>,
    door: Door,
    ready: mpsc::Sender<io::Result<PeerStream>>,
    stop: CancellationToken,
) {
    let entry = Entry { handshakes, places, door, ready };
    let pending = Pending::new(PENDING);
    let mut coming = JoinSet::new();
    loop {
        while coming.try_join_next().is_some() {}
        let (tcp, from) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: an accept that fails at once must not spin.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (entry, place) = (entry.clone(), pending.enter(from.ip().into()));
        coming.spawn(async move {
            tokio::select! {
                biased;
                () = place.cut() => tracing::debug!(%from, "connection cut: too many are not known yet, most of them from there"),
                () = entry.pass(tcp, from) => {}
            }
        });
    }
    coming.shutdown().await;
}

#[derive(Clone)]
struct Entry {
    handshakes: Arc<Handshakes>,
    places: Arc<Places>,
    door: Door,
    ready: mpsc::Sender<io::Result<PeerStream>>,
}

impl Entry {
    /// Finds out who it is and that they speak HTTP/2; only then they get a place.
    async fn pass(self, tcp: TcpStream, from: SocketAddr) {
        let _ = tcp.set_nodelay(true);
        let mut tls = match tokio::time::timeout(HANDSHAKE, self.handshakes.acceptor().accept(tcp).into_fallible()).await {
            Ok(Ok(tls)) => tls,
            // A balancer that looks whether we are there, every second.
            Ok(Err((error, _))) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return tracing::debug!(%from, %error, "connection closed before its handshake was done");
            }
            Ok(Err((error, tcp))) => {
                // A scanner that speaks no TLS is only in the log.
                if is_without_certificate(&error) {
                    self.door.refuse(None, Code::Untrusted);
                }
                tracing::info!(%from, %error, "connection refused");
                return drop(tokio::time::timeout(HANDSHAKE, hear_out(tcp)).await);
            }
            Err(_) => return tracing::info!(%from, "connection cut: the handshake took too long"),
        };
        let mut preface = [0; PREFACE.len()];
        match tokio::time::timeout(PREFACE_WITHIN, tls.read_exact(&mut preface)).await {
            Ok(Ok(_)) if preface == *PREFACE => {}
            Ok(Ok(_)) => return tracing::info!(%from, "connection cut: it does not begin as HTTP/2 does"),
            Ok(Err(error)) => return tracing::debug!(%from, %error, "connection closed before it said anything"),
            Err(_) => return tracing::info!(%from, "connection cut: nothing came over it"),
        }
        let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = Peer::from_certificate(certificate.map(AsRef::as_ref));
        let known = peer.known().ok();
        match self.places.take(from.ip().into(), known.as_ref().map(|known| known.caller.clone())) {
            Ok(place) => {
                let over = over(self.door.callers.clone(), self.door.clock.clone(), known);
                let stream = PeerStream { tls, begun: 0, peer, over: Box::pin(over), is_over: false, _slot: place };
                drop(self.ready.send(Ok(stream)).await);
            }
            Err(full) => {
                tracing::warn!(%from, "connection refused: {}", full.reason());
                let _ = tokio::time::timeout(HANDSHAKE, go_away(tls, full.reason())).await;
            }
        }
    }
}

/// Ends a connection in HTTP/2's own words, so that the other end can say why.
async fn go_away(mut tls: TlsStream<TcpStream>, reason: &str) -> io::Result<()> {
    // RFC 9113: length (24 bits), type, flags, stream; first an empty SETTINGS, then GOAWAY: last stream, error, text.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const ENHANCE_YOUR_CALM: u32 = 0xb;
    let length = u8::try_from(8 + reason.len()).unwrap_or(8);
    let mut said = SETTINGS.to_vec();
    said.extend([0, 0, length, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    said.extend(ENHANCE_YOUR_CALM.to_be_bytes());
    said.extend(&reason.as_bytes()[..usize::from(length) - 8]);
    tls.write_all(&said).await?;
    hear_out(tls).await
}

/// Ends a connection so that the other end reads why: bytes of theirs that nobody read would make the system throw away ours.
async fn hear_out(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// Returns once a connection has to end: its certificate stands no more and its holder had the time to read so, or it names
/// nobody, who is told so and has nothing to do here.
async fn over(callers: Arc<Callers>, clock: Clock, known: Option<Arc<CertifiedCaller>>) {
    if let Some(known) = known {
        callers.until_over(&known, &clock).await;
    }
    tokio::time::sleep(TOLD_WITHIN).await;
}

fn is_without_certificate(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::NoCertificatesPresented))
}

/// An open connection of somebody known; gives back its place when it ends.
pub(crate) struct PeerStream {
    tls: TlsStream<TcpStream>,
    /// So many bytes of the preface, which was read already, were handed on.
    begun: usize,
    peer: Peer,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
    _slot: Slot,
}

impl PeerStream {
    /// That it goes on.
    fn stands(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.is_over || self.over.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the certificate stands no more"));
        }
        Ok(())
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
        self.stands(cx)?;
        if self.begun < PREFACE.len() {
            let rest = &PREFACE[self.begun..];
            let taken = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..taken]);
            self.begun += taken;
            return Poll::Ready(Ok(()));
        }
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
