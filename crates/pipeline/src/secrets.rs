//! Addresses of cameras with what is secret in them, user names, passwords, tokens: a file each that only the account of
//! whoever watches can read. Never in a catalogue, never sent anywhere.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use media::{Networks, Pin, RtspSource};
use onvif::DeviceHost;
use types::{BadStreamUrl, CameraId, StreamScheme, StreamUrl};

const SUFFIX: &str = ".url";
/// Words of the lines after the first.
const BASIC: &str = "basic-without-tls";
const TRUST: &str = "trust ";
const DEVICE: &str = "onvif ";
const PROFILE: &str = "profile ";

/// Which device named a camera's address, by ONVIF: it is asked again where that stops working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// On the host of the address.
    pub host: DeviceHost,
    /// Which of its streams; `None`: the one that is chosen.
    pub profile: Option<String>,
}

impl Device {
    /// The longest token or name of a profile, in bytes.
    pub const LONGEST_PROFILE: usize = 256;

    /// Whether a profile can be asked for by this.
    pub fn can_be_profile(text: &str) -> bool {
        !text.is_empty() && text.len() <= Self::LONGEST_PROFILE && text.trim() == text && !text.chars().any(char::is_control)
    }
}

/// What is kept of a camera that is told nobody, and how it may be shown to the camera. Printed as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAddress {
    /// Whole, with user, password and every parameter.
    pub url: String,
    /// Whether its owner lets the password itself be sent without TLS.
    pub basic_without_tls: bool,
    /// The TLS certificate that it has, whoever made it.
    pub trust: Option<Pin>,
    /// Who named the address; `None`: a person gave it.
    pub device: Option<Device>,
}

impl fmt::Debug for KeptAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptAddress(..)")
    }
}

impl KeptAddress {
    /// Of an address alone.
    pub fn open(url: &str) -> Self {
        Self { url: url.to_owned(), basic_without_tls: false, trust: None, device: None }
    }

    /// What to watch, in these networks alone. A certificate is for TLS: a device that is asked over it may have its stream without.
    ///
    /// # Errors
    /// [`BadStreamUrl`] where what is kept is no address of a stream.
    pub fn source(&self, networks: &Networks) -> Result<RtspSource, BadStreamUrl> {
        let source = RtspSource::new(&self.url)?.within(networks.clone());
        Ok(source.with_basic_without_tls(self.basic_without_tls).with_trust(self.trust.filter(|_| self.is_tls())))
    }

    /// Whether the stream comes over TLS.
    pub fn is_tls(&self) -> bool {
        StreamUrl::parse(&self.url).is_ok_and(|url| url.scheme() == StreamScheme::Rtsps)
    }

    fn written(&self) -> String {
        let mut text = self.url.clone();
        if self.basic_without_tls {
            text = format!("{text}\n{BASIC}");
        }
        if let Some(pin) = self.trust {
            text = format!("{text}\n{TRUST}{pin}");
        }
        if let Some(device) = &self.device {
            text = format!("{text}\n{DEVICE}{}", device.host);
            if let Some(profile) = &device.profile {
                text = format!("{text}\n{PROFILE}{profile}");
            }
        }
        if text.contains('\n') { format!("{text}\n") } else { text }
    }

    fn read(text: &str) -> io::Result<Self> {
        let mut lines = text.lines().map(str::trim);
        let mut kept = Self::open(lines.next().unwrap_or_default());
        for line in lines.filter(|line| !line.is_empty()) {
            if !kept.take(line) {
                let what = format!(
                    "a line after its first is neither {BASIC:?}, {TRUST:?} with a digest, {DEVICE:?} with a host nor, after that, {PROFILE:?}"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok(kept)
    }

    /// What a line after the first says; `false`: it says nothing that is known.
    fn take(&mut self, line: &str) -> bool {
        if line == BASIC {
            self.basic_without_tls = true;
        } else if let Some(pin) = line.strip_prefix(TRUST) {
            self.trust = pin.parse().ok();
            return self.trust.is_some();
        } else if let Some(host) = line.strip_prefix(DEVICE) {
            self.device = host.parse().ok().map(|host| Device { host, profile: None });
            return self.device.is_some();
        } else if let (Some(profile), Some(device)) = (line.strip_prefix(PROFILE), &mut self.device) {
            device.profile = Some(profile.to_owned());
        } else {
            return false;
        }
        true
    }
}

/// The folder of them.
#[derive(Debug, Clone)]
pub struct CameraSecrets(PathBuf);

/// The credentials of a camera could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("{action} the credentials of camera {camera}")]
pub struct SecretError {
    action: &'static str,
    camera: CameraId,
    #[source]
    source: io::Error,
}

impl CameraSecrets {
    /// In a folder that only the server reads.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Replaces the address that is kept for the camera; `None` forgets it.
    ///
    /// # Errors
    /// [`SecretError`] where the folder does not take it.
    pub fn keep(&self, camera: &CameraId, address: Option<&KeptAddress>) -> Result<(), SecretError> {
        let file = self.file(camera);
        let Some(address) = address else {
            return durable::remove(&file).map_err(|error| fault("forget", camera, error));
        };
        durable::write_private(&file, address.written().as_bytes()).map_err(|error| fault("keep", camera, error))
    }

    /// The address that is kept for the camera, if one is.
    ///
    /// # Errors
    /// [`SecretError`] where there is something that can't be read.
    pub fn address(&self, camera: &CameraId) -> Result<Option<KeptAddress>, SecretError> {
        match fs::read_to_string(self.file(camera)).and_then(|text| KeptAddress::read(&text)) {
            Ok(address) => Ok(Some(address)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("read", camera, error)),
        }
    }

    /// Changes whenever the camera's address is given, also where it is the same.
    pub fn given(&self, camera: &CameraId) -> u64 {
        let modified = fs::metadata(self.file(camera)).and_then(|file| file.modified());
        let since = modified.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The cameras an address is kept for, in order.
    pub fn cameras(&self) -> Vec<CameraId> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let camera = |e: fs::DirEntry| CameraId::new(e.file_name().to_str()?.strip_suffix(SUFFIX)?).ok();
        let mut cameras: Vec<_> = entries.filter_map(|e| camera(e.ok()?)).collect();
        cameras.sort();
        cameras
    }

    fn file(&self, camera: &CameraId) -> PathBuf {
        self.0.join(format!("{camera}{SUFFIX}"))
    }
}

fn fault(action: &'static str, camera: &CameraId, source: io::Error) -> SecretError {
    SecretError { action, camera: camera.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_for_one_camera_readable_by_nobody_else_and_forgotten_when_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let secrets = CameraSecrets::new(&dir.path().join("cameras"));
        let (gate, yard) = (CameraId::new("gate").unwrap(), CameraId::new("yard").unwrap());
        let pin = Some(Pin::of(b"a certificate"));
        let device =
            |host: &str, profile: Option<&str>| Some(Device { host: host.parse().unwrap(), profile: profile.map(str::to_owned) });
        for (url, basic_without_tls, trust, device) in [
            ("rtsp://a:b@cam.example/live", true, None, None),
            ("rtsps://a:b@cam.example/live", true, pin, device("https://cam.example:8443/a", Some("main 0"))),
            ("rtsps://a:c@cam.example/live?token=1", false, pin, device("cam.example", None)),
            ("rtsp://a:c@cam.example/live?token=1", false, None, None),
        ] {
            let address = KeptAddress { url: url.into(), basic_without_tls, trust, device };
            secrets.keep(&gate, Some(&address)).unwrap();
            assert_eq!(secrets.address(&gate).unwrap().as_ref(), Some(&address));
            assert_eq!(address.source(&Networks::default()).unwrap().basic_without_tls, basic_without_tls);
            assert_eq!(secrets.cameras(), std::slice::from_ref(&gate));
        }
        assert_eq!(secrets.address(&yard).unwrap(), None);
        let file = dir.path().join("cameras/gate.url");
        fs::write(&file, "rtsp://a:b@cam.example/live\nsomething else\n").unwrap();
        assert!(!format!("{:?}", secrets.address(&gate).unwrap_err()).contains("a:b"));
        let mode = fs::metadata(dir.path().join("cameras/gate.url")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for _ in 0..2 {
            secrets.keep(&gate, None).unwrap();
            assert_eq!(secrets.address(&gate).unwrap(), None);
        }
    }
}
