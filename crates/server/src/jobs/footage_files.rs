//! Which files may become footage, and work on files that never holds up a call.

use std::{
    collections::BTreeMap,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media::{Footage, MediaError};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use types::{AgencyId, FootageDigest};

use crate::base::problem::{Kind, Problem};

/// Agencies' folders, from the configuration: nobody chooses one over the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct FootageRoots(BTreeMap<AgencyId, PathBuf>);

impl FootageRoots {
    pub(crate) fn new(roots: BTreeMap<AgencyId, PathBuf>) -> Self {
        Self(roots)
    }

    pub(crate) fn has(&self, agency: &AgencyId) -> bool {
        self.0.contains_key(agency)
    }

    /// Beneath the agency's folder if it has one.
    pub(crate) fn open(&self, agency: &AgencyId, path: &Path) -> Result<Footage, MediaError> {
        match self.0.get(agency) {
            Some(root) => Footage::open_beneath(root, path),
            None => Footage::open(path),
        }
    }
}

/// Threads for files at once. One that hangs on a dead share keeps its place until the share answers.
const PLACES: usize = 4;
/// Work on a file that goes on by nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(45);

/// Runs what blocks on files, on threads that nobody waits for at the end of the process.
#[derive(Debug)]
pub(crate) struct FileWork {
    places: Arc<Semaphore>,
    hangs: Duration,
}

/// Why work on a file has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Hangs(#[from] Problem),
    #[error("a thread ended unexpectedly")]
    Thread,
}

/// Counts what was done, so that slow is told from dead.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alive(Arc<AtomicU64>);

impl Alive {
    pub(crate) fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for FileWork {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), hangs: HANGS }
    }
}

impl FileWork {
    /// # Errors
    /// What `work` says, or that it hangs, or that too much hangs already.
    pub(crate) async fn run<T: Send + 'static, E: From<FileError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Alive) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let place = tokio::time::timeout(self.hangs, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| hangs())?.map_err(|_| hangs())?;
        let alive = Alive::default();
        let (told, mut answer) = tokio::sync::oneshot::channel();
        let ticks = alive.clone();
        let started = std::thread::Builder::new().name("file".to_owned()).spawn(move || {
            // Nobody may be waiting any more.
            let _ = told.send(work(&ticks));
            drop(place);
        });
        started.map_err(|_| FileError::Thread)?;
        loop {
            let before = alive.0.load(Ordering::Relaxed);
            match tokio::time::timeout(self.hangs, &mut answer).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) => return Err(FileError::Thread.into()),
                Err(_) if alive.0.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(hangs().into()),
            }
        }
    }
}

fn hangs() -> FileError {
    let hint = "check the share on the server's machine, then add the footage again";
    Problem::new(Kind::Away, "file_hangs", "the disk or share with the footage does not answer", hint).into()
}

/// Of what the handle holds, which must be the same at the end.
pub(crate) fn digest(footage: &Footage, alive: &Alive) -> Result<FootageDigest, MediaError> {
    let unreadable =
        |e: std::io::Error| MediaError::Unreadable { input: footage.path().display().to_string(), what: e.kind().to_string() };
    let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        match footage.file().read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
                alive.tick();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    footage.unchanged()?;
    Ok(FootageDigest(hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_hangs_costs_its_place_and_no_call() {
        let files = FileWork { places: Arc::new(Semaphore::new(1)), hangs: Duration::from_millis(50) };
        let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
        let hangs = |done: Result<(), FileError>| matches!(done, Err(FileError::Hangs(Problem { reason: "file_hangs", .. })));
        let stuck = files.run(move |_| {
            let _ = held.recv();
            Ok(())
        });
        assert!(hangs(stuck.await));
        assert!(hangs(files.run(|_| Ok(())).await));
        release.send(()).unwrap();
        while files.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        let patient = FileWork { hangs: Duration::from_secs(600), ..files };
        patient.run(|_| Ok::<_, FileError>(())).await.unwrap();
    }
}
