//! Many live cameras: a supervised thread each, started and stopped as somebody says who is to be watched.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use media::{CameraEvent, RtspSource, Sampling};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, ReceiveTime};

use crate::{LiveStatus, LiveTask, Patience, SceneOptions, SightingSink, VisionPool, watch_camera};

/// What is wanted of a camera. Another value replaces what the camera was doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    pub agency: AgencyId,
    pub source: RtspSource,
    /// Under which lease; 0 for none.
    pub epoch: u64,
    /// Its owner does not let it be watched: no thread, only a status that says so.
    pub kept: Option<Kept>,
}

/// By its owner, for now or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Paused,
    Revoked,
}

/// Makes the sink of a camera's thread; the token is cancelled when the thread is to end.
pub type SinkFor<'a> = dyn Fn(&CameraId, &Watch, CancellationToken) -> Box<dyn SightingSink + Send> + 'a;

/// The cameras that are watched, and what they do.
pub struct Watchers {
    sampling: Sampling,
    watched: Mutex<BTreeMap<CameraId, Watched>>,
}

struct Watched {
    watch: Watch,
    status: Arc<Mutex<LiveStatus>>,
    cancel: CancellationToken,
    /// `None` where the owner does not let it be watched.
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({} cameras)", self.lock().len())
    }
}

impl Watchers {
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, watched: Mutex::default() }
    }

    /// What every camera is doing, by id.
    pub fn statuses(&self) -> BTreeMap<CameraId, (AgencyId, LiveStatus)> {
        let now = ReceiveTime::now();
        let status = |w: &Watched| {
            let told = w.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
            told.as_of(now, Patience::default())
        };
        self.lock().iter().map(|(id, w)| (id.clone(), (w.watch.agency.clone(), status(w)))).collect()
    }

    /// Watches these cameras and no others. Blocks until those that are watched no more, or differently, have published what
    /// they followed; whoever calls this calls it from one place.
    ///
    /// # Errors
    /// A thread could not be started; the others run, and the next call tries again.
    pub fn apply(
        &self,
        wanted: &BTreeMap<CameraId, Watch>,
        visions: Option<&Arc<VisionPool>>,
        sink: &SinkFor<'_>,
    ) -> io::Result<()> {
        self.end(|id, watched| wanted.get(id) != Some(&watched.watch));
        for (id, watch) in wanted {
            if self.lock().contains_key(id) {
                continue;
            }
            let watched = self.start(id, watch, visions, sink)?;
            self.lock().insert(id.clone(), watched);
        }
        Ok(())
    }

    /// Ends all of them.
    pub fn stop(&self) {
        self.end(|_, _| true);
    }

    fn end(&self, which: impl Fn(&CameraId, &Watched) -> bool) {
        let mut ended = Vec::new();
        let mut watched = self.lock();
        let ids: Vec<_> = watched.iter().filter(|(id, w)| which(id, w)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            ended.extend(watched.remove(&id));
        }
        drop(watched);
        for old in &ended {
            old.cancel.cancel();
        }
        for old in ended {
            if old.thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("a live camera's thread panicked");
            }
        }
    }

    fn start(&self, id: &CameraId, watch: &Watch, visions: Option<&Arc<VisionPool>>, sink: &SinkFor<'_>) -> io::Result<Watched> {
        let status = Arc::new(Mutex::new(LiveStatus::new()));
        let cancel = CancellationToken::new();
        let mut watched = Watched { watch: watch.clone(), status, cancel, thread: None };
        if let Some(kept) = watch.kept {
            let event = if kept == Kept::Revoked { CameraEvent::Revoke } else { CameraEvent::Pause };
            watched.status.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
            return Ok(watched);
        }
        let visions = visions.cloned().ok_or_else(|| io::Error::other("no models are loaded"))?;
        let task = LiveTask {
            camera: id.clone(),
            agency: watch.agency.clone(),
            source: watch.source.clone(),
            sampling: self.sampling.clone(),
            scene: SceneOptions::default(),
            patience: Patience::default(),
        };
        let mut sink = sink(id, watch, watched.cancel.clone());
        let (status, cancel) = (watched.status.clone(), watched.cancel.clone());
        let work = move || {
            let mut report = |now: &LiveStatus| *status.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
            watch_camera(&task, &visions, &mut *sink, &mut report, &cancel);
        };
        watched.thread = Some(std::thread::Builder::new().name(format!("live-{id}")).spawn(work)?);
        Ok(watched)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
