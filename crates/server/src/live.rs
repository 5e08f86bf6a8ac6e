//! Live cameras that the server watches itself: those with a source that no agency's worker holds.

mod addresses;
mod sink;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use catalogue::{Camera, Catalogue, CatalogueError, Cluster, Lease, LeaseGuard, lease_names};
use indexer::IndexSet;
use media::{Networks, Sampling};
use parking_lot::Mutex;
use pipeline::{Blocked, CameraSecrets, KeptAddress, LiveStatus, Patience, SightingSink, VisionPool, Watch, Watchers};
use tokio::{
    runtime::Handle,
    sync::{MutexGuard, Notify},
};
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, Chain, ReceiveTime};
use vision::{ModelStore, Vision, VisionError, VisionOptions};

pub(crate) use self::addresses::Addresses;
use self::sink::RetryingSink;

/// How often the catalogue is asked who is to be watched: a pause or a revocation holds within this time.
const RECONCILE: Duration = Duration::from_millis(500);
/// A camera that a worker held is left to workers for so long after its lease ran out, and after the server started: theirs
/// is the first right, and they need a moment to come back.
const WORKERS_FIRST: Duration = Duration::from_secs(30);

/// What every camera with a source is doing, by id.
pub(crate) type Statuses = BTreeMap<CameraId, (AgencyId, LiveStatus)>;
/// How it is told other servers: as callers are told it.
pub(crate) type Wire = fn(Statuses) -> Vec<u8>;

/// The cameras that are watched, and what they do.
pub(crate) struct LiveCameras {
    catalogue: Catalogue,
    feed: Arc<IndexSet>,
    models: ModelStore,
    options: VisionOptions,
    addresses: Arc<Addresses>,
    cluster: Arc<Cluster>,
    /// The leave to watch; of several servers one has it.
    held: tokio::sync::Mutex<Option<LeaseGuard>>,
    wire: Wire,
    settings: Mutex<LiveSettings>,
    /// Others than those that the cameras are watched by.
    other_settings: AtomicBool,
    /// Loaded with the first camera.
    visions: Mutex<Option<Arc<VisionPool>>>,
    watchers: Watchers,
    /// How often the address of each camera was given since the server started.
    given: Mutex<BTreeMap<CameraId, u64>>,
    started: Instant,
    /// Somebody changed a camera.
    changed: Notify,
}

/// How cameras are looked at.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    /// Looks at once.
    pub(crate) workers: usize,
    pub(crate) sample_fps: f64,
    pub(crate) patience: Patience,
    /// Where they may be.
    pub(crate) networks: Networks,
}

impl LiveSettings {
    pub(crate) fn of(config: &crate::config::Config) -> Self {
        Self {
            workers: config.live_workers,
            sample_fps: config.live_sample_fps,
            patience: config.live_patience,
            networks: config.live_networks.clone(),
        }
    }
}

impl LiveCameras {
    #[expect(clippy::too_many_arguments, reason = "what it takes to watch cameras, once")]
    pub(crate) fn new(
        catalogue: Catalogue,
        feed: Arc<IndexSet>,
        cluster: Arc<Cluster>,
        models: ModelStore,
        options: VisionOptions,
        addresses: Arc<Addresses>,
        wire: Wire,
        settings: LiveSettings,
    ) -> Self {
        let sampling = Sampling { fps: settings.sample_fps, ..Sampling::default() };
        let keep = addresses.keeper(Handle::current());
        Self {
            catalogue,
            feed,
            models,
            options,
            addresses,
            cluster,
            held: tokio::sync::Mutex::default(),
            watchers: Watchers::new(sampling, settings.patience, keep),
            given: Mutex::default(),
            wire,
            settings: Mutex::new(settings),
            other_settings: AtomicBool::new(false),
            visions: Mutex::default(),
            started: Instant::now(),
            changed: Notify::new(),
        }
    }

    /// Every camera is opened anew by these.
    pub(crate) fn set(&self, settings: LiveSettings) {
        *self.settings.lock() = settings;
        self.other_settings.store(true, Ordering::Release);
        self.changed();
    }

    fn settings(&self) -> LiveSettings {
        self.settings.lock().clone()
    }

    pub(crate) fn secrets(&self) -> &CameraSecrets {
        self.addresses.secrets()
    }

    /// Whoever changes the address of a camera holds this meanwhile.
    pub(crate) async fn change_addresses(&self) -> MutexGuard<'_, ()> {
        self.addresses.change().await
    }

    /// Where cameras may be.
    pub(crate) fn networks(&self) -> Networks {
        self.settings().networks
    }

    /// Somebody changed a camera: it is looked at anew at once.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Somebody gave its address, another one or the same: it is tried at once, however often it was lost.
    pub(crate) fn given(&self, camera: &CameraId) {
        *self.given.lock().entry(camera.clone()).or_default() += 1;
        self.changed();
    }

    /// What every camera with a source is doing, by id.
    pub(crate) fn statuses(&self) -> Statuses {
        self.watchers.statuses()
    }

    /// Keeps the threads what the catalogue says until `stop`, then ends them all, each after publishing what it followed.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(RECONCILE);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! { () = stop.cancelled() => break, _ = tick.tick() => {}, () = self.changed.notified() => {} }
            if let Err(error) = self.reconcile().await {
                tracing::error!(error = %Chain(&error), "live cameras not looked after; trying again");
            }
        }
        let this = self.clone();
        if tokio::task::spawn_blocking(move || this.watchers.stop()).await.is_err() {
            tracing::error!("the live cameras were not ended");
        }
        // Only now another server may watch.
        if let Some(held) = self.held.lock().await.take() {
            held.release().await;
        }
    }

    async fn reconcile(self: &Arc<Self>) -> Result<(), LiveError> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(LeaseGuard::is_lost) {
            // Every watcher ends first: what it still tells is refused.
            let this = self.clone();
            let ended =
                tokio::task::spawn_blocking(move || this.watchers.apply(&BTreeMap::new(), None, &|_, _, _| unreachable!()));
            ended.await.map_err(|_| LiveError::Thread)?.map_err(LiveError::Start)?;
            *held = None;
        }
        if held.is_none() {
            *held = self.cluster.acquire(lease_names::LIVE).await?;
        }
        let Some(lease) = &*held else { return Ok(()) };
        let fence = lease.fence();
        let (cameras, leases) = (self.catalogue.cameras().await?, self.catalogue.last_leases().await?);
        let mut wanted = BTreeMap::new();
        for camera in cameras {
            if let Some(watch) = self.watch(&camera).filter(|_| !self.is_a_workers(leases.last.get(&camera.id), leases.now)) {
                wanted.insert(camera.id, watch);
            }
        }
        let (this, runtime) = (self.clone(), Handle::current());
        let apply = move || {
            if this.other_settings.swap(false, Ordering::AcqRel) {
                this.watchers.stop();
                *this.visions.lock() = None;
                let settings = this.settings();
                this.watchers.set(Sampling { fps: settings.sample_fps, ..Sampling::default() }, settings.patience);
            }
            let visions = if wanted.values().any(|w| w.kept.is_none()) { Some(this.load()?) } else { None };
            let sink = |_: &CameraId, _: &Watch, cancel| -> Box<dyn SightingSink + Send> {
                let (catalogue, feed) = (this.catalogue.clone(), this.feed.clone());
                Box::new(RetryingSink { runtime: runtime.clone(), catalogue, feed, fence: fence.clone(), cancel })
            };
            this.watchers.apply(&wanted, visions.as_ref(), &sink).map_err(LiveError::Start)
        };
        tokio::task::spawn_blocking(apply).await.map_err(|_| LiveError::Thread)??;
        if self.cluster.is_shared() {
            lease.publish_progress(&(self.wire)(self.statuses())).await?;
        }
        Ok(())
    }

    /// What the server that watches told the others last, where there are others.
    pub(crate) async fn told(&self) -> Result<Option<Vec<u8>>, CatalogueError> {
        if self.cluster.is_shared() { self.catalogue.read_progress(lease_names::LIVE).await } else { Ok(None) }
    }

    fn is_a_workers(&self, lease: Option<&Lease>, now: ReceiveTime) -> bool {
        lease.filter(|l| !l.holder.is_empty()).is_some_and(|lease| {
            let left_to_them = lease.expires.plus_micros(WORKERS_FIRST.as_micros() as i64);
            left_to_them > now || self.started.elapsed() < WORKERS_FIRST
        })
    }

    /// What to watch, if the camera has an address that can be used.
    fn watch(&self, camera: &Camera) -> Option<Watch> {
        let address = camera.source.as_ref()?;
        let networks = self.networks();
        let built = match self.secrets().address(&camera.id) {
            Ok(kept) => {
                let address = kept.unwrap_or_else(|| KeptAddress::open(address.as_str()));
                let source = address.source(&networks).map_err(|e| e.to_string());
                source.map(|source| (source, Some(address).filter(|address| address.device.is_some())))
            }
            Err(error) => Err(Chain(&error).to_string()),
        };
        let built =
            built.inspect_err(|reason| tracing::error!(camera = %camera.id, reason, "the camera's address can't be used"));
        let kept = match &camera.policy {
            policy if policy.revoked => Some(Blocked::Revoked),
            policy if policy.paused => Some(Blocked::Paused),
            _ => None,
        };
        let given = self.given.lock().get(&camera.id).copied().unwrap_or_default();
        let (source, named) = built.ok()?;
        Some(Watch { agency: camera.agency.clone(), source, named, epoch: 0, given, kept })
    }

    fn load(&self) -> Result<Arc<VisionPool>, VisionError> {
        let mut visions = self.visions.lock();
        if let Some(loaded) = &*visions {
            return Ok(loaded.clone());
        }
        let loaded = Arc::new(VisionPool::new(Vision::load_many(&self.models, &self.options, self.settings().workers.max(1))?));
        *visions = Some(loaded.clone());
        Ok(loaded)
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
