//! Live cameras: one supervised thread each, started and stopped as the catalogue says who is to be watched.

mod secrets;
mod sink;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use catalogue::{Camera, Catalogue, CatalogueError};
use media::{CameraEvent, RtspSource, Sampling};
use pipeline::{LiveStatus, LiveTask, Patience, SceneOptions, VisionPool, watch_camera};
use tokio::{runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId};
use vision::{ModelStore, Vision, VisionError, VisionOptions};

pub(crate) use secrets::{CameraSecrets, SecretError};

use self::sink::PatientSink;
use crate::{feed::IndexFeed, status::chain};

/// How often the catalogue is asked who is to be watched: a pause or a revocation holds within this time.
const RECONCILE: Duration = Duration::from_millis(500);

/// The cameras that are watched, and what they do.
pub(crate) struct LiveCameras {
    catalogue: Catalogue,
    feed: Arc<IndexFeed>,
    models: ModelStore,
    options: VisionOptions,
    secrets: CameraSecrets,
    settings: LiveSettings,
    /// Loaded with the first camera.
    visions: Mutex<Option<Arc<VisionPool>>>,
    watched: Mutex<BTreeMap<CameraId, Watched>>,
    /// Somebody changed a camera.
    changed: Notify,
}

/// How cameras are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LiveSettings {
    /// Looks at once.
    pub(crate) workers: usize,
    pub(crate) sample_fps: f64,
}

struct Watched {
    agency: AgencyId,
    source: RtspSource,
    status: Arc<Mutex<LiveStatus>>,
    cancel: CancellationToken,
    /// `None` where the owner does not let it be watched.
    thread: Option<JoinHandle<()>>,
}

impl LiveCameras {
    pub(crate) fn new(
        catalogue: Catalogue,
        feed: Arc<IndexFeed>,
        models: ModelStore,
        options: VisionOptions,
        secrets: CameraSecrets,
        settings: LiveSettings,
    ) -> Self {
        Self {
            catalogue,
            feed,
            models,
            options,
            secrets,
            settings,
            visions: Mutex::default(),
            watched: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn secrets(&self) -> &CameraSecrets {
        &self.secrets
    }

    /// Somebody changed a camera: it is looked at anew at once.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }

    /// What every camera with a source is doing, by id.
    pub(crate) fn statuses(&self) -> BTreeMap<CameraId, (AgencyId, LiveStatus)> {
        let status = |w: &Watched| w.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.lock().iter().map(|(id, w)| (id.clone(), (w.agency.clone(), status(w)))).collect()
    }

    /// Keeps the threads what the catalogue says until `stop`, then ends them all, each after publishing what it followed.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(RECONCILE);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {}, () = self.changed.notified() => {} }
            if let Err(error) = self.reconcile().await {
                tracing::error!(error = %chain(&error), "live cameras not looked after; trying again");
            }
        }
        self.end_all().await;
    }

    async fn reconcile(self: &Arc<Self>) -> Result<(), LiveError> {
        let cameras = self.catalogue.cameras().await?;
        let mut wanted = BTreeMap::new();
        for camera in cameras {
            if let Some(source) = self.source(&camera) {
                wanted.insert(camera.id.clone(), (camera, source));
            }
        }
        let mut ended = Vec::new();
        {
            let mut watched = self.lock();
            let stale: Vec<_> = watched
                .iter()
                .filter(|(id, w)| {
                    wanted.get(id).is_none_or(|(camera, source)| w.source != *source || w.thread.is_some() != may_run(camera))
                })
                .map(|(id, _)| id.clone())
                .collect();
            for id in stale {
                ended.extend(watched.remove(&id));
            }
        }
        for old in &ended {
            old.cancel.cancel();
        }
        if wanted.values().any(|(camera, _)| may_run(camera)) {
            self.load().await?;
        }
        for (id, (camera, source)) in wanted {
            if !self.lock().contains_key(&id) {
                let watched = self.start(&camera, source)?;
                self.lock().insert(id, watched);
            }
        }
        join(ended).await;
        Ok(())
    }

    /// What to connect to, if the camera has an address that can be used.
    fn source(&self, camera: &Camera) -> Option<RtspSource> {
        let address = camera.source.as_ref()?;
        let built = match self.secrets.address(&camera.id) {
            Ok(with_secrets) => RtspSource::new(with_secrets.as_deref().unwrap_or(address.as_str())).map_err(|e| e.to_string()),
            Err(error) => Err(chain(&error)),
        };
        built.inspect_err(|reason| tracing::error!(camera = %camera.id, reason, "the camera's address can't be used")).ok()
    }

    async fn load(self: &Arc<Self>) -> Result<(), LiveError> {
        let this = self.clone();
        let load = move || {
            let mut visions = this.visions.lock().unwrap_or_else(PoisonError::into_inner);
            if visions.is_none() {
                let bundles = Vision::load_many(&this.models, &this.options, this.settings.workers.max(1))?;
                *visions = Some(Arc::new(VisionPool::new(bundles)));
            }
            Ok::<_, VisionError>(())
        };
        Ok(tokio::task::spawn_blocking(load).await.map_err(|_| LiveError::Thread)??)
    }

    fn start(&self, camera: &Camera, source: RtspSource) -> Result<Watched, LiveError> {
        let status = Arc::new(Mutex::new(LiveStatus::new()));
        let cancel = CancellationToken::new();
        let mut watched = Watched { agency: camera.agency.clone(), source: source.clone(), status, cancel, thread: None };
        if !may_run(camera) {
            let event = if camera.policy.revoked { CameraEvent::Revoke } else { CameraEvent::Pause };
            watched.status.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
            return Ok(watched);
        }
        let visions = self.visions.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(LiveError::Thread)?;
        let task = LiveTask {
            camera: camera.id.clone(),
            agency: camera.agency.clone(),
            source,
            sampling: Sampling { fps: self.settings.sample_fps, ..Sampling::default() },
            scene: SceneOptions::default(),
            patience: Patience::default(),
        };
        let mut sink = PatientSink {
            runtime: Handle::current(),
            catalogue: self.catalogue.clone(),
            feed: self.feed.clone(),
            cancel: watched.cancel.clone(),
        };
        let (status, cancel) = (watched.status.clone(), watched.cancel.clone());
        let work = move || {
            let mut report = |now: &LiveStatus| *status.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
            watch_camera(&task, &visions, &mut sink, &mut report, &cancel);
        };
        let name = format!("live-{}", camera.id);
        watched.thread = Some(std::thread::Builder::new().name(name).spawn(work).map_err(LiveError::Start)?);
        Ok(watched)
    }

    async fn end_all(&self) {
        let all: Vec<_> = std::mem::take(&mut *self.lock()).into_values().collect();
        for watched in &all {
            watched.cancel.cancel();
        }
        join(all).await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn may_run(camera: &Camera) -> bool {
    !camera.policy.paused && !camera.policy.revoked
}

/// Waits for threads that were told to end.
async fn join(ended: Vec<Watched>) {
    let threads: Vec<_> = ended.into_iter().filter_map(|w| w.thread).collect();
    if threads.is_empty() {
        return;
    }
    let joined = tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|t| t.join().err()).count()).await;
    if joined.unwrap_or(1) > 0 {
        tracing::error!("a live camera's thread panicked");
    }
}

#[derive(Debug, thiserror::Error)]
enum LiveError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("load the models")]
    Vision(#[from] VisionError),
    #[error("start a thread")]
    Start(#[source] std::io::Error),
    #[error("a thread ended unexpectedly")]
    Thread,
}
