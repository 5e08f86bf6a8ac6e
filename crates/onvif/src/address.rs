//! Where a device is asked.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// `HOST`, `HOST:PORT` or `http[s]://HOST[:PORT][/path]`. Never holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceHost {
    host: Host,
    port: u16,
    tls: bool,
    path: String,
}

/// Says what is wrong without repeating the address: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a camera's host is written as 192.0.2.7, 192.0.2.7:8000 or https://camera.example; this one {0}")]
pub struct BadHost(&'static str);

/// Where ONVIF says that every device answers.
const USUAL_PATH: &str = "/onvif/device_service";
const LONGEST: usize = 300;

impl FromStr for DeviceHost {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST {
            return Err(BadHost("is empty or too long"));
        }
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, _)) if scheme.to_ascii_lowercase().starts_with("rtsp") => {
                return Err(BadHost("is the address of a stream; give its host alone, or use `sightline camera source`"));
            }
            Some(_) => return Err(BadHost("has another scheme")),
        };
        if rest.contains('@') {
            return Err(BadHost("has a user or a password in it; give them with --user and --password-stdin"));
        }
        // An IPv6 address without brackets can't have a port.
        let bare = rest.parse::<std::net::Ipv6Addr>().is_ok();
        let rest = if bare { format!("[{rest}]") } else { rest.to_owned() };
        let url = Url::parse(&format!("http://{rest}")).map_err(|_| BadHost("names no host"))?;
        let host = url.host().ok_or(BadHost("names no host"))?.to_owned();
        if url.query().is_some() || url.fragment().is_some() || url.port() == Some(0) {
            return Err(BadHost("has more than a host, a port and a path"));
        }
        let path = if url.path() == "/" { USUAL_PATH.to_owned() } else { url.path().to_owned() };
        // `url` leaves out what is usual for http.
        let written = rest.split('/').next().unwrap_or_default().ends_with(":80");
        let port = url.port().unwrap_or(if tls && !written { 443 } else { 80 });
        Ok(Self { host, port, tls, path })
    }
}

impl DeviceHost {
    /// A name, or an address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// As it stands in an address.
    pub(crate) fn in_address(&self) -> String {
        self.host.to_string()
    }

    /// As the header `Host` has it: without a port that is the usual one.
    pub(crate) fn in_address_with_port(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { self.authority() }
    }

    /// 1 to 65535; 80 or 443 where none was given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is asked under TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same host, at the path of an address that the device answered. Its port counts only where it names this host: a device
    /// behind a translator knows neither the host nor the port that it is reached by.
    pub(crate) fn service(&self, told: &str, also: Option<std::net::IpAddr>) -> Option<Self> {
        let mut first = None;
        // Some devices write several addresses, or line breaks, into one.
        for text in told.split_whitespace() {
            let Ok(url) = Url::parse(text) else { continue };
            let ours = url.host().is_some_and(|host| {
                host.to_owned() == self.host || also.is_some_and(|ip| host.to_string().trim_matches(['[', ']']).parse() == Ok(ip))
            });
            let mut service = self.clone();
            service.path = match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            };
            if ours && (url.scheme() == "https") == self.tls {
                service.port = url.port_or_known_default().filter(|port| *port != 0).unwrap_or(self.port);
                return Some(service);
            }
            first.get_or_insert(service);
        }
        first
    }
}

impl fmt::Display for DeviceHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", if self.tls { "https" } else { "http" }, self.host, self.port, self.path)
    }
}

impl fmt::Debug for DeviceHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceHost({})", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_people_write_it() {
        for (text, shown) in [
            ("192.0.2.7", "http://192.0.2.7:80/onvif/device_service"),
            ("192.0.2.7:8000", "http://192.0.2.7:8000/onvif/device_service"),
            ("https://cam.example", "https://cam.example:443/onvif/device_service"),
            ("https://cam.example:80", "https://cam.example:80/onvif/device_service"),
            ("http://Cam.Example:81/a/b", "http://cam.example:81/a/b"),
            ("2001:db8::1", "http://[2001:db8::1]:80/onvif/device_service"),
            ("[2001:db8::1]:8000", "http://[2001:db8::1]:8000/onvif/device_service"),
        ] {
            assert_eq!(text.parse::<DeviceHost>().unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "rtsp://cam/s3cret", "http://u:s3cret@cam", "ftp://cam", "cam:0", "cam?s3cret", "http://"] {
            let error = bad.parse::<DeviceHost>().unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{bad}: {error}");
        }
    }

    #[test]
    fn of_an_address_that_a_device_answers_the_host_is_never_taken() {
        let host: DeviceHost = "cam.example:8080".parse().unwrap();
        let at = |told: &str| host.service(told, Some([192, 0, 2, 7].into())).map(|s| s.to_string());
        for (told, want) in [
            ("http://192.0.2.7:8888/onvif/media", "http://cam.example:8888/onvif/media"),
            ("http://cam.example/onvif/media?x=1", "http://cam.example:80/onvif/media?x=1"),
            ("http://10.0.0.1:99/onvif/media", "http://cam.example:8080/onvif/media"),
            ("http://10.0.0.1/a http://192.0.2.7:81/b", "http://cam.example:81/b"),
            ("\n http://169.254.1.1/a\n http://[fe80::1]/b ", "http://cam.example:8080/a"),
            ("https://192.0.2.7/onvif/media", "http://cam.example:8080/onvif/media"),
        ] {
            assert_eq!(at(told).as_deref(), Some(want), "{told}");
        }
        assert_eq!(at("nonsense"), None);
    }
}
