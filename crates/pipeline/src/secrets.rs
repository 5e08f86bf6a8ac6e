//! Addresses of cameras with what is secret in them, user names, passwords, tokens: a file each that only the account of
//! whoever watches can read. Never in a catalogue, never sent anywhere.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use media::{Networks, RtspSource};
use types::{BadStreamUrl, CameraId};

const SUFFIX: &str = ".url";
/// The word in the second line of a file.
const BASIC: &str = "basic-without-tls";

/// What is kept of a camera that is told nobody, and how it may be shown to the camera. Printed as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAddress {
    /// Whole, with user, password and every parameter.
    pub url: String,
    /// Whether its owner lets the password itself be sent without TLS.
    pub basic_without_tls: bool,
}

impl fmt::Debug for KeptAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptAddress(..)")
    }
}

impl KeptAddress {
    /// What to watch, in these networks alone.
    pub fn source(&self, networks: &Networks) -> Result<RtspSource, BadStreamUrl> {
        Ok(RtspSource::new(&self.url)?.within(networks.clone()).with_basic_without_tls(self.basic_without_tls))
    }

    fn written(&self) -> String {
        if self.basic_without_tls { format!("{}\n{BASIC}\n", self.url) } else { self.url.clone() }
    }

    fn read(text: &str) -> io::Result<Self> {
        let (url, more) = text.trim_end().split_once('\n').unwrap_or((text.trim_end(), ""));
        let basic_without_tls = match more.trim() {
            "" => false,
            BASIC => true,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its second line is not {BASIC:?}"))),
        };
        Ok(Self { url: url.trim_end().to_owned(), basic_without_tls })
    }
}

/// The folder of them.
#[derive(Debug, Clone)]
pub struct CameraSecrets(PathBuf);

#[derive(Debug, thiserror::Error)]
#[error("{action} the credentials of camera {camera}")]
pub struct SecretError {
    action: &'static str,
    camera: CameraId,
    #[source]
    source: io::Error,
}

impl CameraSecrets {
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Replaces the address that is kept for the camera; `None` forgets it.
    pub fn keep(&self, camera: &CameraId, address: Option<&KeptAddress>) -> Result<(), SecretError> {
        let file = self.file(camera);
        let Some(address) = address else {
            return durable::remove(&file).map_err(|error| fault("forget", camera, error));
        };
        durable::write_private(&file, address.written().as_bytes()).map_err(|error| fault("keep", camera, error))
    }

    /// The address that is kept for the camera, if one is.
    pub fn address(&self, camera: &CameraId) -> Result<Option<KeptAddress>, SecretError> {
        match fs::read_to_string(self.file(camera)).and_then(|text| KeptAddress::read(&text)) {
            Ok(address) => Ok(Some(address)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault("read", camera, error)),
        }
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
        for (url, basic_without_tls) in [("rtsp://a:b@cam.example/live", true), ("rtsp://a:c@cam.example/live?token=1", false)] {
            let address = KeptAddress { url: url.into(), basic_without_tls };
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
