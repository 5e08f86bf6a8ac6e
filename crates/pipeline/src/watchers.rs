//! Many live cameras: a supervised thread each, started and stopped as somebody says who is to be watched.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use media::{Backoff, CameraEvent, RtspSource, Sampling};
use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, ReceiveTime};

use crate::{
    Anew, KeepAddress, KeptAddress, LiveStatus, LiveTask, Patience, SceneOptions, SightingSink, VisionPool, watch_camera,
};

/// What is wanted of a camera. Another value replaces what the camera was doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    /// Who owns the camera.
    pub agency: AgencyId,
    /// Where its stream is.
    pub source: RtspSource,
    /// What is kept of the address, where a device named it: it is asked again once that stops working.
    pub named: Option<KeptAddress>,
    /// Under which lease; 0 for none.
    pub epoch: u64,
    /// How often somebody gave its address: one that is given again is tried at once.
    pub given: u64,
    /// Its owner does not let it be watched: no thread, only a status that says so.
    pub kept: Option<Blocked>,
}

/// By its owner, for now or for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// For now: until they resume it.
    Paused,
    /// For good.
    Revoked,
}

/// Makes the sink of a camera's thread; the token is cancelled when the thread is to end.
pub type SinkFor<'a> = dyn Fn(&CameraId, &Watch, CancellationToken) -> Box<dyn SightingSink + Send> + 'a;

/// A camera whose thread ended by itself is watched anew after a pause, a longer one each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The cameras that are watched, and what they do.
pub struct Watchers {
    settings: Mutex<(Sampling, Patience)>,
    watched: Mutex<BTreeMap<CameraId, Watched>>,
    /// How an address is kept that a camera's device names.
    keep: Arc<KeepAddress>,
    /// Cameras whose threads ended by themselves, and when they are watched anew.
    broken: Mutex<BTreeMap<CameraId, (Backoff, Instant)>>,
}

struct Watched {
    watch: Watch,
    /// The address that its thread took meanwhile, and kept.
    moved: Arc<Mutex<Option<KeptAddress>>>,
    status: Arc<Mutex<LiveStatus>>,
    cancel: CancellationToken,
    /// `None` where the owner does not let it be watched.
    thread: Option<JoinHandle<()>>,
}

impl Watched {
    /// Without being told to: it panicked.
    fn is_broken(&self) -> bool {
        !self.cancel.is_cancelled() && self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Watched {
    /// Whether this is what its thread does already, at the address that it took by itself.
    fn went_there(&self, wanted: &Watch) -> bool {
        let moved = self.moved.lock();
        let Some(moved) = &*moved else { return false };
        let source = moved.source(&self.watch.source.networks);
        source.is_ok_and(|source| {
            *wanted == Watch { source, named: Some(moved.clone()), given: wanted.given, ..self.watch.clone() }
        })
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({} cameras)", self.lock().len())
    }
}

impl Watchers {
    /// Watches nothing yet. `keep`: how an address is kept that a camera's device names once the one that was given stops working.
    pub fn new(sampling: Sampling, patience: Patience, keep: Arc<KeepAddress>) -> Self {
        Self { settings: Mutex::new((sampling, patience)), watched: Mutex::default(), keep, broken: Mutex::default() }
    }

    /// Holds for cameras that are watched from now on.
    pub fn set(&self, sampling: Sampling, patience: Patience) {
        *self.settings() = (sampling, patience);
    }

    fn settings(&self) -> MutexGuard<'_, (Sampling, Patience)> {
        self.settings.lock()
    }

    /// What every camera is doing, by id.
    pub fn statuses(&self) -> BTreeMap<CameraId, (AgencyId, LiveStatus)> {
        let (now, patience) = (ReceiveTime::now(), self.settings().1);
        let status = |w: &Watched| {
            let told = w.status.lock().clone();
            told.as_of(now, patience)
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
        let mut broken = self.broken.lock();
        broken.retain(|id, _| wanted.contains_key(id));
        for (id, _) in self.lock().iter().filter(|(_, watched)| watched.is_broken()) {
            let entry = broken.entry(id.clone());
            let (backoff, until) = entry.or_insert_with(|| (Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), Instant::now()));
            let pause = backoff.wait();
            *until = Instant::now() + pause;
            tracing::error!(camera = %id, ?pause, times = backoff.attempts(), "a live camera's thread ended by itself; it is started anew");
        }
        for (id, watched) in self.lock().iter_mut() {
            if let Some(wanted) = wanted.get(id).filter(|wanted| watched.went_there(wanted)) {
                watched.watch = wanted.clone();
                *watched.moved.lock() = None;
            }
        }
        self.end(|id, watched| wanted.get(id) != Some(&watched.watch) || watched.is_broken());
        for (id, watch) in wanted {
            let waits = broken.get(id).is_some_and(|(_, until)| Instant::now() < *until);
            if waits || self.lock().contains_key(id) {
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
        let mut watched = Watched { watch: watch.clone(), moved: Arc::default(), status, cancel, thread: None };
        if let Some(kept) = watch.kept {
            let event = if kept == Blocked::Revoked { CameraEvent::Revoke } else { CameraEvent::Pause };
            watched.status.lock().tell(event);
            return Ok(watched);
        }
        let visions = visions.cloned().ok_or_else(|| io::Error::other("no models are loaded"))?;
        let (sampling, patience) = self.settings().clone();
        let task = LiveTask {
            camera: id.clone(),
            agency: watch.agency.clone(),
            source: watch.source.clone(),
            sampling,
            scene: SceneOptions::default(),
            patience,
            anew: watch.named.clone().map(|address| Anew { address, keep: self.keeper(&watched) }),
        };
        let mut sink = sink(id, watch, watched.cancel.clone());
        let (status, cancel) = (watched.status.clone(), watched.cancel.clone());
        let work = move || {
            let mut report = |now: &LiveStatus| *status.lock() = now.clone();
            watch_camera(&task, &visions, &mut *sink, &mut report, &cancel);
        };
        watched.thread = Some(std::thread::Builder::new().name(format!("live-{id}")).spawn(work)?);
        Ok(watched)
    }

    /// Keeps an address, and remembers that the camera's thread is there already.
    fn keeper(&self, watched: &Watched) -> Arc<KeepAddress> {
        let (keep, moved) = (self.keep.clone(), watched.moved.clone());
        Arc::new(move |camera: &CameraId, before: &KeptAddress, now: &KeptAddress| {
            // First, so that nobody who sees the new address starts the thread anew for it.
            *moved.lock() = Some(now.clone());
            let kept = keep(camera, before, now);
            if !matches!(kept, Ok(true)) {
                *moved.lock() = None;
            }
            kept
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Watched>> {
        self.watched.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_whose_thread_panicked_is_watched_anew_and_the_others_go_on() {
        let store = vision::ModelStore::from_env().unwrap();
        let models = vision::Vision::load(&store, &vision::VisionOptions::default()).unwrap();
        let watchers = Watchers::new(Sampling::default(), Patience::default(), Arc::new(|_, _, _| Ok(false)));
        let watch = Watch {
            agency: "local".parse().unwrap(),
            source: RtspSource::new("rtsp://127.0.0.1:1/nothing").unwrap(),
            named: None,
            epoch: 0,
            given: 0,
            kept: None,
        };
        let wanted: BTreeMap<CameraId, Watch> = ["gate", "yard"].map(|id| (id.parse().unwrap(), watch.clone())).into();
        let visions = Arc::new(VisionPool::new(vec![models]));
        let sink = |_: &CameraId, _: &Watch, _| -> Box<dyn SightingSink + Send> { Box::new(Vec::new()) };
        let apply = || watchers.apply(&wanted, Some(&visions), &sink).unwrap();
        apply();
        let gate: CameraId = "gate".parse().unwrap();
        let panicked = std::thread::Builder::new().spawn(|| panic!("on purpose")).unwrap();
        let old = watchers.lock().get_mut(&gate).unwrap().thread.replace(panicked);
        while !watchers.lock()[&gate].is_broken() {
            std::thread::yield_now();
        }
        apply();
        assert_eq!(watchers.broken.lock()[&gate].0.attempts(), 1);
        let yard = watchers.lock()[&"yard".parse::<CameraId>().unwrap()].thread.as_ref().unwrap().thread().id();
        while !watchers.lock().contains_key(&gate) {
            std::thread::sleep(Duration::from_millis(20));
            apply();
        }
        assert!(!watchers.lock()[&gate].is_broken());
        assert_eq!(watchers.lock()[&"yard".parse::<CameraId>().unwrap()].thread.as_ref().unwrap().thread().id(), yard);
        watchers.stop();
        old.unwrap().join().unwrap();
    }

    #[test]
    fn a_thread_that_went_to_another_address_by_itself_goes_on_there_and_one_that_is_sent_elsewhere_is_begun_anew() {
        let store = vision::ModelStore::from_env().unwrap();
        let models = vision::Vision::load(&store, &vision::VisionOptions::default()).unwrap();
        let (visions, gate) = (Arc::new(VisionPool::new(vec![models])), CameraId::new("gate").unwrap());
        let watchers =
            Watchers::new(Sampling::default(), Patience::default(), Arc::new(|_, _, now| Ok(now.url.ends_with("new"))));
        let at = |path: &str| {
            let device = Some(crate::Device { host: "127.0.0.1".parse().unwrap(), profile: None });
            let address = KeptAddress { device, ..KeptAddress::open(&format!("rtsp://127.0.0.1:1/{path}")) };
            let source = address.source(&media::Networks::default()).unwrap();
            Watch { agency: "local".parse().unwrap(), source, named: Some(address), epoch: 0, given: 0, kept: None }
        };
        let sink = |_: &CameraId, _: &Watch, _| -> Box<dyn SightingSink + Send> { Box::new(Vec::new()) };
        let apply = |watch: &Watch| {
            watchers.apply(&[(gate.clone(), watch.clone())].into(), Some(&visions), &sink).unwrap();
            watchers.lock()[&gate].thread.as_ref().unwrap().thread().id()
        };
        let first = apply(&at("old"));
        let keep = watchers.keeper(&watchers.lock()[&gate]);
        let goes = |path: &str| keep(&gate, at("old").named.as_ref().unwrap(), at(path).named.as_ref().unwrap());
        assert_eq!(goes("refused"), Ok(false));
        assert_eq!(apply(&at("old")), first);
        assert_eq!(goes("new"), Ok(true));
        assert_eq!(apply(&Watch { given: 7, ..at("new") }), first, "it is there already");
        assert_eq!(apply(&Watch { given: 7, ..at("new") }), first);
        let again = apply(&Watch { given: 8, ..at("new") });
        assert_ne!(again, first, "a person gave it again");
        assert_ne!(apply(&at("refused")), again);
        watchers.stop();
    }
}
