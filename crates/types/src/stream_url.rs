//! The address of a camera's stream, taken apart in one place.

use std::fmt;

use url::{Host, Url};

/// `rtsp://[user:password@]host[:port]/path[?query]`, or with `rtsps` or `rtspu`. `Debug` shows scheme, host and port only.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl {
    scheme: StreamScheme,
    host: Host,
    port: Option<u16>,
    login: Option<(String, String)>,
    /// As it was given.
    path: String,
    query: Option<String>,
}

/// How a stream is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamScheme {
    /// Over TCP, without TLS.
    Rtsp,
    /// Over TLS.
    Rtsps,
    /// As `rtsp`, with the pictures over UDP.
    Rtspu,
}

impl StreamScheme {
    /// As it stands in an address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Rtspu => "rtspu",
        }
    }
}

/// Says what is wrong without repeating the address: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a camera address looks like rtsp://host:554/path; this one {0}")]
pub struct BadStreamUrl(&'static str);

/// Stands for what is not shown.
const HIDDEN: &str = "…";
const LONGEST: usize = 2000;

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamUrl({}://{}..)", self.scheme.as_str(), self.authority())
    }
}

impl StreamUrl {
    /// # Errors
    /// Anything in which it is not clear which part is which, so that no part of a password is taken for a host or a path.
    pub fn parse(text: &str) -> Result<Self, BadStreamUrl> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(BadStreamUrl("has no rtsp://"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "rtsp" => StreamScheme::Rtsp,
            "rtsps" => StreamScheme::Rtsps,
            "rtspu" => StreamScheme::Rtspu,
            _ => return Err(BadStreamUrl("has another scheme")),
        };
        if text.len() > LONGEST {
            return Err(BadStreamUrl("is too long"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BadStreamUrl("has a space or control character; write a space as %20"));
        }
        if text.contains(HIDDEN) {
            return Err(BadStreamUrl("has a … in the place of what is not shown; give the whole address"));
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if rest.contains('@') {
            return Err(BadStreamUrl(
                "has an @ after its host; in a user name or password write / as %2F, ? as %3F, # as %23 and @ as %40, elsewhere @ as %40",
            ));
        }
        if rest.contains('#') {
            return Err(BadStreamUrl("has a #; write it as %23"));
        }
        // The path stays as it is: a camera may mean what a normal form would change.
        let url = Url::parse(&format!("rtsp://{authority}/")).map_err(|error| {
            BadStreamUrl(match error {
                url::ParseError::EmptyHost => "names no host",
                url::ParseError::InvalidPort => "has a port that is no number",
                _ => "names a host that can't be one",
            })
        })?;
        let host = url.host().ok_or(BadStreamUrl("names no host"))?.to_owned();
        let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if matches!(&host, Host::Domain(host) if !host.chars().all(name)) {
            return Err(BadStreamUrl("names a host that can't be one"));
        }
        if url.port() == Some(0) {
            return Err(BadStreamUrl("has a port that is no number"));
        }
        let login = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let odd = BadStreamUrl("has a user name or password with characters that can't be sent");
            let user = decoded(url.username()).ok_or(odd)?;
            Some((user, decoded(url.password().unwrap_or_default()).ok_or(odd)?))
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query.to_owned())));
        Ok(Self { scheme, host, port: url.port(), login, path: path.to_owned(), query })
    }

    /// How the stream is asked for.
    pub fn scheme(&self) -> StreamScheme {
        self.scheme
    }

    /// A name, or an address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// 554 unless the address says another.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(554)
    }

    /// Host and, if the address names one, port.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// What comes after the authority.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// User and password, decoded.
    pub fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// What may be kept and read by others: no user, no password, and of no parameter its value, since nobody knows what a
    /// camera's maker calls a password. Some makers write parameters into the path, so that is so there too.
    pub fn shown(&self) -> String {
        let path: Vec<_> = self.path.split('/').map(|part| without_values(part, false)).collect();
        let mut shown = format!("{}://{}{}", self.scheme.as_str(), self.authority(), path.join("/"));
        if let Some(query) = &self.query {
            shown = format!("{shown}?{}", without_values(query, true));
        }
        shown
    }

    /// Whether [`Self::shown`] leaves anything out.
    pub fn has_secrets(&self) -> bool {
        let whole = format!("{}://{}{}", self.scheme.as_str(), self.authority(), self.path_and_query());
        self.login.is_some() || self.shown() != whole
    }
}

/// `a=1&b=2` as `a=…&b=…`; a word without a value is one itself where there are nothing but parameters.
fn without_values(text: &str, parameters: bool) -> String {
    let shown = |part: &str| match part.split_once('=') {
        Some((key, value)) if !value.is_empty() => format!("{key}={HIDDEN}"),
        None if parameters && !part.is_empty() => HIDDEN.to_owned(),
        _ => part.to_owned(),
    };
    text.split('&').map(shown).collect::<Vec<_>>().join("&")
}

/// `None` for what is not text in one line.
fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (byte, digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                i += 3;
            }
            _ => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_addresses_are_taken_apart_as_they_are_meant() {
        for (text, host, port, login, rest) in [
            ("rtsp://cam", "cam", 554, None, ""),
            ("RTSP://Cam.Example:8554/Live", "cam.example", 8554, None, "/Live"),
            ("rtsps://[2001:DB8::1]:322/a", "2001:db8::1", 322, None, "/a"),
            ("rtsp://u:p@[::ffff:127.0.0.1]/a", "::ffff:127.0.0.1", 554, Some(("u", "p")), "/a"),
            ("rtsp://ad%40min:pa%2Fs%3Fs%20%23@cam/a", "cam", 554, Some(("ad@min", "pa/s?s #")), "/a"),
            ("rtsp://a:p@ss@cam/a", "cam", 554, Some(("a", "p@ss")), "/a"),
            ("rtsp://a:p:q@cam/a", "cam", 554, Some(("a", "p:q")), "/a"),
            ("rtsp://a:100%@cam/a", "cam", 554, Some(("a", "100%")), "/a"),
            ("rtsp://a@cam/a", "cam", 554, Some(("a", "")), "/a"),
            ("rtspu://cam?x=1&y", "cam", 554, None, "?x=1&y"),
            ("rtsp://cam/a//b/../c|{d}?e=%41", "cam", 554, None, "/a//b/../c|{d}?e=%41"),
        ] {
            let url = StreamUrl::parse(text).unwrap();
            assert_eq!((url.host().as_str(), url.port(), url.login(), url.path_and_query().as_str()), (host, port, login, rest));
        }
    }

    #[test]
    fn an_address_of_which_a_part_of_the_password_might_be_taken_for_another_part_is_refused_and_not_repeated() {
        for text in [
            "",
            "s3cret",
            "http://cam/s3cret",
            "rtsp://",
            "rtsp:///x",
            "rtsp://u:s3cret@",
            "rtsp://u:s3cret@:554/",
            "rtsp://cam:port/",
            "rtsp://cam:0/",
            "rtsp://cam:70000/",
            "rtsp://u:s3?cret@cam/a",
            "rtsp://u:12?s3cret@cam/a",
            "rtsp://u:12/s3cret@cam/a",
            "rtsp://u:12#s3cret@cam/a",
            "rtsp://u:s3 cret@cam/a",
            "rtsp://u:s3\tcret@cam/a",
            "rtsp://u:s3%0d%0acret@cam/a",
            "rtsp://u:s3%ffcret@cam/a",
            "rtsp://cam/a?mail=s3@cret",
            "rtsp://cam/a#s3cret",
            "rtsp://cam/a?key=…",
            "rtsp://c%61m/s3cret",
            "rtsp://[::1/s3cret",
            "rt sp://s3cret",
        ] {
            let error = StreamUrl::parse(text).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(!told.contains("s3") && !told.contains("cret"), "{text}: {told}");
        }
    }

    #[test]
    fn of_no_parameter_the_value_is_shown() {
        for (given, shown, secrets) in [
            ("rtsp://cam.example:554/live/1", "rtsp://cam.example:554/live/1", false),
            ("rtsp://admin:s3cret@cam/live", "rtsp://cam/live", true),
            ("rtsp://c/real?channel=1&subtype=0", "rtsp://c/real?channel=…&subtype=…", true),
            ("rtsp://c/real?s3cret", "rtsp://c/real?…", true),
            ("rtsp://c/real?a=&", "rtsp://c/real?a=&", false),
            ("rtsp://c/user=admin&password=s3cret&channel=1.sdp", "rtsp://c/user=…&password=…&channel=…", true),
            ("rtsps://u:p@[2001:db8::1]:554/x", "rtsps://[2001:db8::1]:554/x", true),
        ] {
            let url = StreamUrl::parse(given).unwrap();
            assert_eq!((url.shown().as_str(), url.has_secrets()), (shown, secrets), "{given}");
            assert!(!format!("{url:?}").contains("s3cret"));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_user_password_or_parameter_is_never_shown(
            user in "[a-z]{0,4}", password in "[ -~]{1,12}", key in "[a-z]{1,4}", value in "[!-~&&[^@#&]]{1,8}",
        ) {
            let marked = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
            let text = format!("rtsp://{user}:{}@cam.example/live?{key}=Q{value}", marked(&format!("Z{password}")));
            let url = StreamUrl::parse(&text).unwrap();
            let wanted = format!("Z{password}");
            prop_assert_eq!(url.login(), Some((user.as_str(), wanted.as_str())));
            prop_assert_eq!(url.shown(), format!("rtsp://cam.example/live?{key}=…"));
        }
    }
}
