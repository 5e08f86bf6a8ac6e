//! What is read: a file or a camera.

use std::{fmt, path::PathBuf, time::Duration};

use contact::Pin;
use types::{BadStreamUrl, StreamScheme, StreamUrl};

use crate::{Networks, names::addresses};

/// A file or a camera.
#[expect(clippy::large_enum_variant, reason = "there is one a stream")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of footage, by its path.
    File(PathBuf),
    /// A camera's live stream.
    Rtsp(RtspSource),
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Inside the RTSP connection: no loss, one port, passes firewalls.
    #[default]
    Tcp,
    /// Beside the RTSP connection: for cameras that send no other way.
    Udp,
}

/// Printed as dots, always.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password, as it is: not encoded for a URL.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A camera's stream. `Debug` and `Display` show host and port only: path and query may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspSource {
    url: StreamUrl,
    credentials: Option<Credentials>,
    /// How the stream comes here.
    pub transport: Transport,
    /// Whether the password itself may be sent without TLS, to a camera that asks for nothing better. Not unless told.
    pub basic_without_tls: bool,
    /// The certificate that is trusted over TLS, whoever made it, and no other. Without one: those that this machine trusts.
    pub trust: Option<Pin>,
    /// Where it may be. Anywhere but on this machine and its link alone unless told.
    pub networks: Networks,
    /// How long packets may wait for late ones. 200 ms unless told; more on lossy networks.
    pub latency: Duration,
    /// How long to wait for the connection. 5 s unless told.
    pub connect_timeout: Duration,
    /// A camera clock further from ours than this is not believed. 5 s unless told.
    pub max_clock_offset: Duration,
}

impl fmt::Debug for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspSource({}, {:?})", self.url.authority(), self.transport)
    }
}

impl fmt::Display for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "camera at {}", self.url.authority())
    }
}

impl RtspSource {
    /// Takes `rtsp://`, `rtsps://` or, for RTP over UDP, `rtspu://`.
    ///
    /// # Errors
    /// Of [`StreamUrl::parse`].
    pub fn new(address: &str) -> Result<Self, BadStreamUrl> {
        let url = StreamUrl::parse(address)?;
        let credentials =
            url.login().map(|(user, password)| Credentials { user: user.to_owned(), password: password.to_owned() });
        let transport = if url.scheme() == StreamScheme::Rtspu { Transport::Udp } else { Transport::Tcp };
        Ok(Self {
            url,
            credentials,
            transport,
            basic_without_tls: false,
            trust: None,
            networks: Networks::default(),
            latency: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(5),
            max_clock_offset: Duration::from_secs(5),
        })
    }

    /// The same, with this login in place of one in the address.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The same, sent in this way.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// In these networks alone.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.networks = networks;
        self
    }

    /// Whether the password may be sent as it is without TLS.
    #[must_use]
    pub fn with_basic_without_tls(mut self, may: bool) -> Self {
        self.basic_without_tls = may;
        self
    }

    /// With this certificate alone.
    #[must_use]
    pub fn with_trust(mut self, trust: Option<Pin>) -> Self {
        self.trust = trust;
        self
    }

    /// Whether a user name or password is known.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// Whether the name leads somewhere now, and nowhere where cameras may be. For a first answer: it is looked at again whenever
    /// the camera is connected to.
    pub async fn is_outside(&self) -> bool {
        let deadline = tokio::time::Instant::now() + self.connect_timeout;
        let found = addresses(&self.url.host(), self.url.port(), deadline).await;
        !found.is_empty() && !found.iter().any(|address| self.networks.allow(address.ip()))
    }

    pub(crate) fn url(&self) -> &StreamUrl {
        &self.url
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_credentials_prints_neither_them_nor_its_path() {
        let source = RtspSource::new("rtsp://ad%40min:pa%2Fss@cam.example:8554/live?token=secret").unwrap();
        let want = Credentials { user: "ad@min".into(), password: "pa/ss".into() };
        assert_eq!(source.credentials(), Some(&want));
        let text = format!("{source:?} {source} {:?} {:?}", Source::Rtsp(source.clone()), source.credentials());
        for hidden in ["min", "pa/ss", "pa%2F", "token", "live"] {
            assert!(!text.contains(hidden), "{text}");
        }
        let udp = RtspSource::new("rtspu://u:p@cam:8554/a").unwrap();
        assert_eq!((udp.to_string().as_str(), udp.transport), ("camera at cam:8554", Transport::Udp));
    }
}
