//! TLS with a camera: by a certificate that somebody signs whom this machine trusts, or by one that its owner has compared.

use std::{
    fmt, io,
    str::FromStr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;

/// The line to a camera, secured.
pub type Secured = tokio_rustls::client::TlsStream<TcpStream>;

/// SHA-256 of a certificate: who made it does not matter, and neither do the names in it or its dates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

/// What is no digest of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is not the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")]
pub struct BadPin;

impl Pin {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
        let bytes = hex::decode(digits).map_err(|_| BadPin)?;
        bytes.try_into().map(Self).map_err(|_| BadPin)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// Why a line is not secured.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// The certificate with this digest is signed by nobody whom this machine trusts, or for another name, or out of date.
    #[error("its certificate is not trusted")]
    Untrusted(Pin),
    /// Another certificate than the one that is trusted.
    #[error("it has another certificate than the one that is trusted")]
    Another(Pin),
    /// The line broke, or the handshake failed for another reason.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// With a certificate for this host from somebody whom this machine trusts; with a pin, with that certificate alone.
///
/// # Errors
/// [`NoTls`]; nothing but the handshake was sent.
pub async fn secure(host: &str, stream: TcpStream, trust: Option<Pin>) -> Result<Secured, NoTls> {
    let check = Arc::new(Check { trust, refused: Mutex::default(), provider: provider() });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(check.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| {
        let refused = *check.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match (refused, trust) {
            (None, _) => NoTls::Failed(error),
            (Some(pin), None) => NoTls::Untrusted(pin),
            (Some(pin), Some(_)) => NoTls::Another(pin),
        }
    })
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// Whom this machine trusts; `None`: nobody.
fn usual() -> Option<&'static Arc<WebPkiServerVerifier>> {
    static USUAL: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();
    let made = USUAL.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
    });
    made.as_ref()
}

#[derive(Debug)]
struct Check {
    trust: Option<Pin>,
    /// The certificate that was not believed.
    refused: Mutex<Option<Pin>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pin = Pin::of(end_entity);
        let checked = match (self.trust, usual()) {
            (Some(trusted), _) if trusted == pin => Ok(ServerCertVerified::assertion()),
            (Some(_), _) => Err(CertificateError::ApplicationVerificationFailure.into()),
            (None, Some(usual)) => usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            (None, None) => Err(CertificateError::UnknownIssuer.into()),
        };
        if checked.is_err() {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(pin);
        }
        checked
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;

    #[test]
    fn a_digest_is_read_as_browsers_and_tools_write_it() {
        let pin = Pin::of(b"x");
        let spaced = pin
            .to_string()
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|b| String::from_utf8_lossy(b).into_owned())
            .collect::<Vec<_>>();
        assert_eq!(pin.to_string().parse(), Ok(pin));
        assert_eq!(spaced.join(":").parse(), Ok(pin));
        for bad in ["", "ab", &pin.to_string()[1..], &format!("{pin}00"), &"g".repeat(64)] {
            assert_eq!(bad.parse::<Pin>(), Err(BadPin), "{bad}");
        }
    }

    async fn server() -> (std::net::SocketAddr, Pin) {
        let made = rcgen::generate_simple_self_signed(["camera.invalid".to_owned()]).unwrap();
        let pin = Pin::of(made.cert.der());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
            }
        });
        (address, pin)
    }

    #[tokio::test]
    async fn a_cameras_own_certificate_is_told_by_its_digest_and_taken_once_that_is_trusted() {
        let (address, pin) = server().await;
        let with = async |trust| secure("127.0.0.1", TcpStream::connect(address).await.unwrap(), trust).await;
        assert!(matches!(with(None).await.unwrap_err(), NoTls::Untrusted(of) if of == pin));
        assert!(matches!(with(Some(Pin::of(b"other"))).await.unwrap_err(), NoTls::Another(of) if of == pin));
        with(Some(pin)).await.unwrap();
    }
}
