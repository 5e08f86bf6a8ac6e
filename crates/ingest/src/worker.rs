//! A running worker, from its start to its last sighting sent.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use media::{Networks, Sampling};
use pipeline::{
    CameraSecrets, KeepAddress, KeptAddress, Patience, SecretError, SightingSink, Spool, SpoolState, VisionPool, Watch, Watchers,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use types::CameraId;
use uuid::Uuid;
use vision::{ModelStore, Vision, VisionOptions};

use crate::{
    Link, Reader, WorkerError,
    error::chain,
    kept::KeptLeases,
    lease_client::{LeaseClient, Released, Wanted},
    push::Pusher,
    sink::SpoolSink,
};

/// How often the cameras' threads are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a worker goes by.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Where the server is, and who calls.
    pub link: Link,
    /// The spool's folder; one worker has one.
    pub spool: PathBuf,
    /// Bytes of it.
    pub spool_limit: u64,
    /// Addresses of cameras, passwords included. They never leave this machine.
    pub secrets: CameraSecrets,
    /// Where cameras may be.
    pub networks: Networks,
    /// Where the model files lie.
    pub models: ModelStore,
    /// Which models, and how they run.
    pub vision: VisionOptions,
    /// Looks at once.
    pub looks: usize,
    /// Frames a second that are looked at, of each camera; above 0.
    pub sample_fps: f64,
    /// When a camera counts as stalled, and when its connection is given up.
    pub patience: Patience,
    /// Cameras at once, at most.
    pub max_cameras: u32,
    /// How long a stop may take.
    pub shutdown: Duration,
}

/// A worker that watches. Stop it with [`Worker::stop`].
pub struct Worker {
    link: Link,
    worker_id: String,
    spool: Arc<Spool>,
    watchers: Arc<Watchers>,
    holding: JoinHandle<()>,
    watching: JoinHandle<()>,
    pushing: JoinHandle<()>,
    stop: CancellationToken,
    drain: CancellationToken,
    kept: KeptLeases,
    refused: Arc<AtomicU64>,
    shutdown: Duration,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Worker({}, {:?}, {:?})", self.worker_id, self.watchers, self.spool)
    }
}

impl Worker {
    /// Opens the spool, loads the models and begins; the server need not be there yet.
    ///
    /// # Errors
    /// [`WorkerError`]; nothing is running then.
    pub async fn start(options: WorkerOptions) -> Result<Self, WorkerError> {
        tokio::task::spawn_blocking(media::init).await.map_err(|_| WorkerError::Thread)??;
        // Whatever is wrong with them is told now and not only in the log.
        options.link.endpoint().map_err(|error| match error {
            crate::link::LinkError::Files(error) => error,
            crate::link::LinkError::Transport(_) => WorkerError::Address(options.link.server.clone()),
        })?;
        let opened = options.clone();
        let open = move || -> Result<_, WorkerError> {
            let spool = Spool::open(&opened.spool, opened.spool_limit)?;
            let visions = VisionPool::new(Vision::load_many(&opened.models, &opened.vision, opened.looks.max(1))?);
            Ok((Arc::new(spool), Arc::new(visions), worker_id(&opened.spool)?))
        };
        let (spool, visions, worker_id) = tokio::task::spawn_blocking(open).await.map_err(|_| WorkerError::Thread)??;
        tracing::info!(worker = worker_id, waiting = spool.state().waiting, "watching for this agency");

        let (stop, drain, more) = (CancellationToken::new(), CancellationToken::new(), Arc::new(Notify::new()));
        let sampling = Sampling { fps: options.sample_fps, ..Sampling::default() };
        let watchers = Arc::new(Watchers::new(sampling, options.patience, keeper(options.secrets.clone())));
        let (released, kept) = (Arc::new(Released::default()), KeptLeases::new(&options.spool));
        let (wanted, wanted_now) = watch::channel(Wanted::new());
        let holder = LeaseClient {
            link: options.link.clone(),
            worker_id: worker_id.clone(),
            secrets: options.secrets,
            networks: options.networks,
            max_cameras: options.max_cameras,
            watchers: watchers.clone(),
            wanted,
            released: released.clone(),
            kept: kept.clone(),
            stop: stop.clone(),
        };
        let watching = Watching {
            watchers: watchers.clone(),
            visions,
            spool: spool.clone(),
            more: more.clone(),
            released,
            stop: stop.clone(),
        };
        let refused = Arc::<AtomicU64>::default();
        let pusher = Pusher {
            link: options.link.clone(),
            worker_id: worker_id.clone(),
            spool: spool.clone(),
            more,
            refused: refused.clone(),
            drain: drain.clone(),
        };
        Ok(Self {
            link: options.link,
            worker_id,
            spool,
            watchers,
            holding: tasks::spawn("leases of cameras", holder.run()),
            watching: tasks::spawn("cameras", watching.run(wanted_now)),
            pushing: tasks::spawn("pushing of sightings", pusher.run()),
            stop,
            drain,
            kept,
            refused,
            shutdown: options.shutdown,
        })
    }

    /// How much waits to be sent.
    pub fn spool(&self) -> SpoolState {
        self.spool.state()
    }

    /// To watch over it while it runs.
    pub fn reader(&self) -> Reader {
        Reader { watchers: self.watchers.clone(), spool: self.spool.clone(), refused: self.refused.clone() }
    }

    /// Ends the cameras, each after what it followed is on the spool, gives the leases back, and sends what it can in the time
    /// it has. The rest stays on the spool for the next start.
    pub async fn stop(self) {
        let deadline = tokio::time::Instant::now() + self.shutdown;
        let held: std::collections::BTreeSet<CameraId> = self.watchers.statuses().into_keys().collect();
        self.stop.cancel();
        if tokio::time::timeout_at(deadline, self.watching).await.is_err() {
            tracing::warn!("a live camera did not stop in time");
        }
        let _ = tokio::time::timeout_at(deadline, self.holding).await;
        // They are given back: the next start asks for them.
        self.kept.keep(&proto::v1::LeaseCamerasResponse::default());
        let _ = tokio::time::timeout_at(deadline, LeaseClient::give_back(&self.link, &self.worker_id, held)).await;
        self.drain.cancel();
        let mut pushing = self.pushing;
        if tokio::time::timeout_at(deadline, &mut pushing).await.is_err() {
            pushing.abort();
            tracing::warn!(
                waiting = self.spool.state().waiting,
                "sightings stay on the spool: they are sent after the next start"
            );
        }
    }
}

/// Keeps the cameras' threads what the leases say.
struct Watching {
    watchers: Arc<Watchers>,
    visions: Arc<VisionPool>,
    spool: Arc<Spool>,
    more: Arc<Notify>,
    released: Arc<Released>,
    stop: CancellationToken,
}

impl Watching {
    async fn run(self, mut wanted: watch::Receiver<Wanted>) {
        let this = Arc::new(self);
        loop {
            tokio::select! {
                () = this.stop.cancelled() => break,
                changed = wanted.changed() => if changed.is_err() { break },
                // A camera's thread that ended by itself is started anew.
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = wanted.borrow_and_update().clone();
            let before = this.watchers.statuses();
            let (applying, next) = (this.clone(), now.clone());
            match tokio::task::spawn_blocking(move || applying.apply(&next)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(error = %chain(&error), "a camera's thread could not be started; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    wanted.mark_changed();
                }
                Err(_) => tracing::error!("the live cameras are not looked after"),
            }
            this.released.add(before.into_keys().filter(|camera| !now.contains_key(camera)));
        }
        let watchers = this.watchers.clone();
        let _ = tokio::task::spawn_blocking(move || watchers.stop()).await;
    }

    fn apply(&self, wanted: &Wanted) -> std::io::Result<()> {
        let sink = |_: &CameraId, watch: &Watch, cancel| -> Box<dyn SightingSink + Send> {
            Box::new(SpoolSink { spool: self.spool.clone(), more: self.more.clone(), epoch: watch.epoch, cancel })
        };
        self.watchers.apply(wanted, Some(&self.visions), &sink)
    }
}

/// Keeps what a camera's device named, unless somebody gave another address meanwhile.
fn keeper(secrets: CameraSecrets) -> Arc<KeepAddress> {
    Arc::new(move |camera: &CameraId, before: &KeptAddress, now: &KeptAddress| {
        let told = |error: &SecretError| chain(error);
        if secrets.address(camera).map_err(|e| told(&e))?.as_ref() != Some(before) {
            return Ok(false);
        }
        secrets.keep(camera, Some(now)).map_err(|e| told(&e))?;
        Ok(true)
    })
}

/// Which of an agency's workers this is: lies with the spool, because what is on it was seen under this name's leases.
fn worker_id(spool: &Path) -> Result<String, WorkerError> {
    let file = spool.join("worker");
    if let Some(known) = fs::read_to_string(&file).ok().and_then(|text| Uuid::try_parse(text.trim()).ok()) {
        return Ok(known.to_string());
    }
    let fresh = Uuid::now_v7();
    durable::write(&file, fresh.to_string().as_bytes()).map_err(|source| pipeline::SpoolError::Io {
        action: "write to",
        path: file,
        source,
    })?;
    Ok(fresh.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_names_is_kept_unless_somebody_gave_another_address_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = CameraSecrets::new(&dir.path().join("cameras"));
        let (gate, keep) = (CameraId::new("gate").unwrap(), keeper(secrets.clone()));
        let [old, new, other] = ["old", "new", "other"].map(|path| KeptAddress::open(&format!("rtsp://u:p@cam.example/{path}")));
        assert_eq!(keep(&gate, &old, &new), Ok(false), "it was forgotten");
        secrets.keep(&gate, Some(&old)).unwrap();
        assert_eq!(keep(&gate, &old, &new), Ok(true));
        assert_eq!(secrets.address(&gate).unwrap().as_ref(), Some(&new));
        secrets.keep(&gate, Some(&other)).unwrap();
        assert_eq!(keep(&gate, &new, &old), Ok(false));
        assert_eq!(secrets.address(&gate).unwrap(), Some(other));
    }
}
