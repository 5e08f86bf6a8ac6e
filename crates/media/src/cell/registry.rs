//! GStreamer's list of its plugins. Looking them up takes seconds and needs rights that no decoder has: one process does it for
//! all, from which the list comes in memory that nobody can change.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    message::{Came, Job, Kind, Say, receive, send},
    process::Cell,
    ring::Frozen,
};
use crate::MediaError;

/// The first look at some hundred plugins on a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);
/// After so long it is looked up anew: libraries may have been replaced.
const GOOD_FOR: Duration = Duration::from_secs(6 * 3600);
const LONGEST: u64 = 64 << 20;

pub(super) fn current() -> Result<Arc<Frozen>, MediaError> {
    static CURRENT: Mutex<Option<(Arc<Frozen>, Instant)>> = Mutex::new(None);
    let mut current = CURRENT.lock();
    if let Some((frozen, since)) = &*current
        && since.elapsed() < GOOD_FOR
    {
        return Ok(frozen.clone());
    }
    let bytes = look(None).or_else(|_| {
        // Where GStreamer would keep it nothing can be written.
        let folder = Temporary::new().map_err(|e| broken(&e))?;
        look(Some(&folder))
    })?;
    let frozen = Arc::new(Frozen::new(&bytes).map_err(|e| broken(&e))?);
    *current = Some((frozen.clone(), Instant::now()));
    Ok(frozen)
}

fn look(folder: Option<&Temporary>) -> Result<Vec<u8>, MediaError> {
    // It reads no footage, and sees what GStreamer in any other program would.
    let mut environment: Vec<_> = std::env::vars_os().collect();
    if let Some(folder) = folder {
        environment.retain(|(key, _)| key != "GST_REGISTRY");
        environment.push(("GST_REGISTRY".into(), folder.0.join("registry.bin").into()));
    }
    let cell = Cell::spawn(environment).map_err(|e| broken(&e))?;
    let job = Job { kind: Kind::Registry, confined: false, nice: 0, fault: None };
    send(std::os::fd::AsFd::as_fd(cell.control()), &job, &[], false).map_err(|e| broken(&e))?;
    match receive(cell.control(), PATIENCE, true).map_err(|e| broken(&e))? {
        Came::Message(Say::Registry, mut with) => {
            let file = with.pop().ok_or_else(|| broken(&"its list of plugins did not come"))?;
            let mut bytes = Vec::new();
            File::from(file).take(LONGEST).read_to_end(&mut bytes).map_err(|e| broken(&e))?;
            Ok(bytes)
        }
        Came::Message(Say::Failed(failure, _), _) => Err(failure.about("GStreamer".to_owned())),
        _ => Err(broken(&"its plugins can't be looked up")),
    }
}

fn broken(error: &dyn std::fmt::Display) -> MediaError {
    MediaError::Internal { input: "GStreamer".to_owned(), what: error.to_string() }
}

/// A folder of ours alone, gone with this.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("sightline-{:016x}", rand::random::<u64>()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
