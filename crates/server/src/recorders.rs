//! Recorders: what is known of them, how they are asked by ONVIF, and how much may be asked of each at once.

pub(crate) mod secrets;

use std::{collections::HashMap, fmt, path::Path, sync::Arc, time::Duration};

use catalogue::{Catalogue, CatalogueError, NewRecorder};
use chrono::{DateTime, Utc};
use media::{Credentials, Networks, Replay, RtspSource};
use onvif::{BadHost, Coverage, Cure, DeviceHost, OnvifError, Password, Recorder, Surveying};
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};
use types::{FootageDigest, RecorderId, TimeStamp, TimeWindow};

use self::secrets::{RecorderSecrets, SecretError, Shown};

/// Why a recorder is not asked, or has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecorderError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Host(#[from] BadHost),
    #[error(transparent)]
    Onvif(#[from] OnvifError),
    #[error("the password of the recorder {0} is not on this machine")]
    NoSecret(RecorderId),
}

/// Where recorders may be, whenever one is asked.
pub(crate) type Where = Box<dyn Fn() -> Networks + Send + Sync>;

pub(crate) struct Recorders {
    catalogue: Catalogue,
    secrets: RecorderSecrets,
    networks: Where,
    /// Recordings that are played now.
    played: Mutex<HashMap<RecorderId, u32>>,
}

impl fmt::Debug for Recorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorders")
    }
}

/// The leave to play one recording. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Session {
    recorders: Arc<Recorders>,
    recorder: RecorderId,
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut played = self.recorders.played();
        if let Some(count) = played.get_mut(&self.recorder) {
            *count -= 1;
        }
        played.retain(|_, count| *count > 0);
    }
}

impl Recorders {
    pub(crate) fn new(catalogue: Catalogue, folder: &Path, networks: Where) -> Self {
        Self { catalogue, secrets: RecorderSecrets::new(folder), networks, played: Mutex::default() }
    }

    pub(crate) fn secrets(&self) -> &RecorderSecrets {
        &self.secrets
    }

    /// Whether this server can ask it: passwords are kept where they were given.
    pub(crate) fn is_here(&self, id: &RecorderId) -> bool {
        self.secrets.has(id)
    }

    /// What it is and holds, with this login.
    pub(crate) async fn look(&self, host: &str, shown: &Shown) -> Result<Recorder, RecorderError> {
        let host: DeviceHost = host.parse()?;
        let (networks, password) = ((self.networks)(), shown.password());
        Ok(onvif::recorder(&host, &surveying(password.as_ref(), shown, &|ip| networks.allow(ip))).await?)
    }

    /// The same of one that is known.
    pub(crate) async fn holds(&self, id: &RecorderId) -> Result<Recorder, RecorderError> {
        let (recorder, shown) = self.known(id).await?;
        self.look(&recorder.host, &shown).await
    }

    /// Where a recording has nothing; `None`: the recorder does not tell.
    pub(crate) async fn gaps(
        &self,
        id: &RecorderId,
        recording: &str,
        window: TimeWindow,
    ) -> Result<Option<Vec<TimeWindow>>, RecorderError> {
        let (recorder, shown) = self.known(id).await?;
        let host: DeviceHost = recorder.host.parse()?;
        let (networks, password) = ((self.networks)(), shown.password());
        let allowed = |ip| networks.allow(ip);
        let how = surveying(password.as_ref(), &shown, &allowed);
        let told = onvif::coverage(&host, &how, recording, window.from().to_datetime(), window.to().to_datetime()).await?;
        let Coverage::Gaps(gaps) = told else { return Ok(None) };
        let window = |(from, to): (DateTime<Utc>, DateTime<Utc>)| {
            let at = |time: DateTime<Utc>| types::CaptureTime::from_micros(time.timestamp_micros()).ok();
            TimeWindow::new(at(from)?, at(to)?).ok()
        };
        Ok(Some(gaps.into_iter().filter_map(window).collect()))
    }

    /// How a recording is played. The recorder is asked where: its addresses change.
    pub(crate) async fn replay(&self, of: &Recording, start: TimeStamp, length: Duration) -> Result<Replay, RecorderError> {
        let (recorder, shown) = self.known(&of.recorder).await?;
        let host: DeviceHost = recorder.host.parse()?;
        let (networks, password) = ((self.networks)(), shown.password());
        let allowed = |ip| networks.allow(ip);
        let url = onvif::replay_address(&host, &surveying(password.as_ref(), &shown, &allowed), &of.token).await?;
        let address = format!("{}://{}{}", url.scheme().as_str(), url.authority(), url.path_and_query());
        let none = |_| OnvifError::NoReplay { device: host.authority(), recording: of.token.clone() };
        let mut source = RtspSource::new(&address).map_err(none)?.within(networks).with_trust(shown.trust);
        if let Some(Password { user, password }) = password {
            source = source.with_credentials(Credentials { user, password });
        }
        let bits_per_second = recorder.bits_per_second.map(|bits| (bits / u64::from(recorder.sessions)).max(1));
        Ok(Replay { recorder: source, start, length, bits_per_second })
    }

    /// The leave to play one more recording, if it may be.
    pub(crate) fn session(self: &Arc<Self>, id: &RecorderId, most: u32) -> Option<Session> {
        let mut played = self.played();
        let count = played.entry(id.clone()).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        Some(Session { recorders: self.clone(), recorder: id.clone() })
    }

    /// Whether one more recording may be played.
    pub(crate) async fn is_free(&self, id: &RecorderId) -> Result<bool, CatalogueError> {
        let most = self.sessions(id).await?;
        Ok(self.played().get(id).is_none_or(|count| *count < most))
    }

    pub(crate) async fn sessions(&self, id: &RecorderId) -> Result<u32, CatalogueError> {
        match self.catalogue.recorder(id).await {
            Ok(recorder) => Ok(recorder.spec.sessions.max(1)),
            // What is left of it fails by itself, and says so.
            Err(CatalogueError::UnknownRecorder(_)) => Ok(1),
            Err(error) => Err(error),
        }
    }

    async fn known(&self, id: &RecorderId) -> Result<(NewRecorder, Shown), RecorderError> {
        let recorder = self.catalogue.recorder(id).await?.spec;
        let shown = self.secrets.shown(id)?.ok_or_else(|| RecorderError::NoSecret(id.clone()))?;
        Ok((recorder, shown))
    }

    fn played(&self) -> MutexGuard<'_, HashMap<RecorderId, u32>> {
        self.played.lock()
    }
}

fn surveying<'a>(
    password: Option<&'a Password>,
    shown: &Shown,
    allowed: &'a (dyn Fn(std::net::IpAddr) -> bool + Sync),
) -> Surveying<'a> {
    Surveying { password, trust: shown.trust, profile: None, allowed }
}

impl RecorderError {
    /// Trying again later may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Catalogue(error) => error.may_pass(),
            Self::Onvif(error) => error.cure() == Cure::Time,
            Self::Secret(_) | Self::Host(_) | Self::NoSecret(_) => false,
        }
    }

    /// What to do.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Catalogue(error) => error.hint().unwrap_or_default().to_owned(),
            Self::Secret(_) => "check the server's disk".to_owned(),
            Self::Host(_) => "give HOST, HOST:PORT or https://HOST".to_owned(),
            Self::Onvif(OnvifError::NoAnswer { .. }) => {
                "switch ONVIF on in the recorder, or give its port (HOST:8000, HOST:8899)".to_owned()
            }
            Self::Onvif(OnvifError::Slow { .. } | OnvifError::Large { .. } | OnvifError::NotRead { .. }) => {
                "update or restart the recorder".to_owned()
            }
            Self::Onvif(OnvifError::Fault { .. }) => {
                "give its ONVIF user the right to search and to play, or update the recorder".to_owned()
            }
            Self::Onvif(error) => error.hint().replace("the camera", "the recorder"),
            Self::NoSecret(_) => "add the recorder again at this server, with its password".to_owned(),
        }
    }
}

/// A recording, as jobs name it in place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) recorder: RecorderId,
    /// As the recorder calls it.
    pub(crate) token: String,
}

/// No path of a file begins so: those are absolute.
const SCHEME: &str = "onvif-replay:";

impl Recording {
    /// In place of a path.
    pub(crate) fn path(&self) -> String {
        format!("{SCHEME}{}/{}", self.recorder, self.token)
    }

    /// `None`: it is a file's.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let (recorder, token) = path.strip_prefix(SCHEME)?.split_once('/')?;
        Some(Self { recorder: RecorderId::new(recorder).ok()?, token: token.to_owned() })
    }

    /// What stands for footage that is nowhere as a file: eight bytes that say so, then 24 of a SHA-256 over what names it. The same
    /// recording of the same times has the same; it says nothing of its pictures.
    pub(crate) fn digest(&self, window: TimeWindow) -> FootageDigest {
        let mut hash = Sha256::new();
        let (from, to) = (window.from().as_micros().to_be_bytes(), window.to().as_micros().to_be_bytes());
        for part in [b"onvif-replay".as_slice(), self.recorder.as_str().as_bytes(), self.token.as_bytes(), &from, &to] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        FootageDigest::of_recording(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_told_from_a_file_by_its_path_and_by_its_digest() {
        let at = |text: &str| text.parse::<types::CaptureTime>().unwrap();
        let window = |to| TimeWindow::new(at("2026-03-01T08:00:00Z"), at(to)).unwrap();
        let recording = Recording { recorder: RecorderId::new("nvr-1").unwrap(), token: "a/b c".to_owned() };
        assert_eq!(Recording::of_path(&recording.path()).as_ref(), Some(&recording));
        assert_eq!(Recording::of_path("/archive/onvif-replay:nvr-1/a.mp4"), None);
        let (hour, other) = (recording.digest(window("2026-03-01T09:00:00Z")), recording.digest(window("2026-03-01T09:00:01Z")));
        assert!(hour != other && hour == recording.digest(window("2026-03-01T09:00:00Z")));
        assert!(hour.is_of_recording() && hour.to_string().starts_with("6f6e766966726563"), "{hour}");
        assert!(!FootageDigest([1; 32]).is_of_recording());
        let (left, right) = (Recording { token: "a".into(), ..recording.clone() }, Recording { token: "b".into(), ..recording });
        assert_ne!(left.digest(window("2026-03-01T09:00:00Z")), right.digest(window("2026-03-01T09:00:00Z")));
    }

    #[tokio::test]
    async fn no_more_recordings_are_played_at_once_than_a_recorder_may_be_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(&catalogue::CatalogueConfig::in_folder(folder.path())).await.unwrap();
        let recorders = Arc::new(Recorders::new(catalogue, folder.path(), Box::new(Networks::default)));
        let (one, other) = (RecorderId::new("nvr-1").unwrap(), RecorderId::new("nvr-2").unwrap());
        let first = recorders.session(&one, 1);
        assert!(first.is_some() && recorders.session(&one, 1).is_none() && recorders.session(&other, 1).is_some());
        assert!(!recorders.is_free(&one).await.unwrap() && recorders.is_free(&other).await.unwrap());
        drop(first);
        assert!(recorders.is_free(&one).await.unwrap() && recorders.session(&one, 1).is_some());
    }
}
