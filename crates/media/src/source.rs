//! What is read: a file or a camera.

use std::{fmt, path::PathBuf, time::Duration};

/// A file or a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Rtsp(RtspSource),
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Inside the RTSP connection: no loss, one port, passes firewalls.
    #[default]
    Tcp,
    Udp,
}

/// Printed as dots, always.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    // The address itself is not repeated: it may hold a password.
    #[error("a camera address looks like rtsp://host:554/path; this one {0}")]
    Address(&'static str),
}

/// A camera's stream. `Debug` and `Display` show host and port only: path and query may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspSource {
    /// Without credentials.
    location: String,
    authority: String,
    credentials: Option<Credentials>,
    pub transport: Transport,
    /// How long packets may wait for late ones. 200 ms unless told; more on lossy networks.
    pub latency: Duration,
    /// How long to wait for the connection. 5 s unless told.
    pub connect_timeout: Duration,
    /// A camera clock further from ours than this is not believed. 5 s unless told.
    pub max_clock_offset: Duration,
}

impl fmt::Debug for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspSource({}, {:?})", self.authority, self.transport)
    }
}

impl fmt::Display for RtspSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "camera at {}", self.authority)
    }
}

impl RtspSource {
    /// Takes `rtsp://`, `rtsps://` or, for RTP over UDP, `rtspu://`; `user:password@` is taken out and kept apart,
    /// percent-decoded.
    pub fn new(address: &str) -> Result<Self, SourceError> {
        let address = address.trim();
        let (scheme, rest) = address.split_once("://").ok_or(SourceError::Address("has no rtsp://"))?;
        let scheme = scheme.to_ascii_lowercase();
        let (scheme, transport) = match scheme.as_str() {
            "rtsp" | "rtsps" => (scheme.as_str(), Transport::Tcp),
            "rtspu" => ("rtsp", Transport::Udp),
            _ => return Err(SourceError::Address("has another scheme")),
        };
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(SourceError::Address("has a space or control character"));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if path.split(['?', '#']).next().is_some_and(|path| path.contains('@')) {
            return Err(SourceError::Address("has an @ in its path; write / in a user name or password as %2F and @ as %40"));
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| if port.contains(']') { authority } else { host });
        if host.is_empty() {
            return Err(SourceError::Address("names no host"));
        }
        if host.len() < authority.len() && authority[host.len() + 1..].parse::<u16>().is_err() {
            return Err(SourceError::Address("has a port that is no number"));
        }
        let credentials = userinfo.map(|userinfo| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            Credentials { user: percent_decoded(user), password: percent_decoded(password) }
        });
        Ok(Self {
            location: format!("{scheme}://{authority}{path}"),
            authority: authority.to_owned(),
            credentials,
            transport,
            latency: Duration::from_millis(200),
            connect_timeout: Duration::from_secs(5),
            max_clock_offset: Duration::from_secs(5),
        })
    }

    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_credentials_prints_neither_them_nor_its_path() {
        let source = RtspSource::new("rtsp://ad%40min:pa%2Fss@cam.example:8554/live?token=secret").unwrap();
        let want = Credentials { user: "ad@min".into(), password: "pa/ss".into() };
        assert_eq!(source.credentials(), Some(&want));
        assert_eq!(source.location(), "rtsp://cam.example:8554/live?token=secret");
        let text = format!("{source:?} {source} {:?} {:?}", Source::Rtsp(source.clone()), source.credentials());
        for hidden in ["min", "pa/ss", "pa%2F", "token", "live"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }

    #[test]
    fn what_is_no_camera_address_is_refused_without_repeating_it() {
        for bad in [
            "",
            "cam",
            "http://cam/x",
            "rtsp://",
            "rtsp:///x",
            "rtsp://cam:port/",
            "rtsp://a b/",
            "rtsp://u:p/w@cam/x",
            "rtsp://u:sec@:554/",
        ] {
            let error = RtspSource::new(bad).unwrap_err().to_string();
            assert!(!error.contains("sec"), "{error}");
        }
        let udp = RtspSource::new("rtspu://u:p@cam:8554/a").unwrap();
        assert_eq!((udp.location(), udp.transport), ("rtsp://cam:8554/a", Transport::Udp));
        for good in ["rtsp://cam", "RTSP://10.0.0.7:554/a", "rtsps://[fe80::1]:322/a", "rtsp://[::1]/a"] {
            RtspSource::new(good).unwrap();
        }
    }
}
