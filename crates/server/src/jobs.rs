//! Footage jobs: durable in the catalogue, done by worker threads that each own their models.

mod active;
mod ended;
pub(crate) mod footage_files;
mod running;
mod settings;
mod shortfall;
mod sink;
mod worker;

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use catalogue::{AddedJob, Catalogue, CatalogueError, Cluster, FencingToken, Job, JobState, NewJob, TakenJob, lease_names};
use indexer::IndexSet;
use parking_lot::{Mutex, MutexGuard};
use pipeline::FootageProgress;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use types::{CaptureTime, Chain, JobId, ReceiveTime};

pub(crate) use ended::{JobFailure, NO_CLOCK};
pub(crate) use settings::JobSettings;
pub(crate) use worker::Workers;

use self::{
    active::Active,
    footage_files::{FileWork, FootageRoots},
};
use crate::{
    base::{
        clock::Settled,
        problem::{Kind, Problem},
    },
    recorders::{Recorders, Recording},
};

/// Why a job is not added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// What a running job knows that the catalogue does not keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Option<FootageProgress>,
    /// Why it waits to be gone on with.
    pub(crate) waits: Option<JobFailure>,
}

/// The queue, and what is being worked on.
pub(crate) struct Jobs {
    catalogue: Catalogue,
    feed: Arc<IndexSet>,
    cluster: Arc<Cluster>,
    max_queued: u32,
    pub(crate) roots: FootageRoots,
    pub(crate) recorders: Arc<Recorders>,
    /// For what blocks on files while somebody waits for an answer.
    pub(crate) files: FileWork,
    /// Jobs that this server does not take, and until when: their files are not on this machine, or the store was away.
    later: Mutex<HashMap<JobId, Instant>>,
    /// Bounded by the number of workers, plus the last progress of jobs that ended in this process, at most
    /// [`MAX_REMEMBERED`].
    live: Mutex<HashMap<JobId, Live>>,
    /// Something may be queued.
    work: Notify,
    active: Active,
    /// Counts changes, for those who watch.
    changed: watch::Sender<u64>,
    /// One at a time: two that add the same footage at once must see each other.
    adding: tokio::sync::Mutex<()>,
}

/// What came of looking for a job.
enum Took {
    Job(Box<TakenJob>),
    /// One that this server does not do now; there may be others.
    Later,
    Nothing,
}

const MAX_REMEMBERED: usize = 1000;
/// How long another server may take to add or remove footage.
const ADDING: Duration = Duration::from_secs(30);
/// A server that is alone queues its own jobs again when it starts.
const FOREVER: Duration = Duration::from_secs(100 * 366 * 86_400);
/// A file that was not here may be by then.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A recorder that was away may be back by then.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(30);
/// A store that was away may be back by then.
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jobs({} at work)", self.active.all().len())
    }
}

impl Jobs {
    pub(crate) fn new(
        catalogue: Catalogue,
        feed: Arc<IndexSet>,
        cluster: Arc<Cluster>,
        max_queued: u32,
        roots: FootageRoots,
        recorders: Arc<Recorders>,
    ) -> Self {
        Self {
            catalogue,
            feed,
            cluster,
            max_queued,
            roots,
            recorders,
            files: FileWork::default(),
            later: Mutex::default(),
            live: Mutex::default(),
            work: Notify::new(),
            active: Active::default(),
            changed: watch::Sender::new(0),
            adding: tokio::sync::Mutex::default(),
        }
    }

    /// Queues footage; `true` if the job was there before.
    ///
    /// # Errors
    /// The same footage of the same camera is there with another start or other settings, or too many jobs wait.
    pub(crate) async fn add(&self, new: &NewJob) -> Result<(Job, bool), JobError> {
        let _one = self.adding.lock().await;
        let _held = self.cluster.wait_for_lease(lease_names::FOOTAGE, ADDING).await?;
        let jobs = self.catalogue.jobs_of(&new.camera, &new.footage).await?;
        let kept = |j: &&Job| !matches!(j.state, JobState::Failed(_) | JobState::Cancelled);
        if let Some(other) = jobs.iter().filter(kept).find(|j| j.id != new.id()) {
            let message = format!(
                "this footage of camera {} is there already as job {}, which starts at {} or has other settings",
                new.camera, other.id, other.spec.start
            );
            let hint = "footage is added once a camera; see `sightline archive list`";
            return Err(Problem::new(Kind::Exists, "footage_exists", message, hint).into());
        }
        self.check_overlap(new).await?;
        let queued = self.catalogue.queued_count().await?;
        let is_new = !jobs.iter().any(|j| j.id == new.id());
        if is_new && queued >= u64::from(self.max_queued) {
            let message = format!("{queued} jobs wait already");
            return Err(Problem::new(Kind::TooMany, "queue_full", message, "add it again when some are done").into());
        }
        let added = self.catalogue.add_job(new).await?;
        if !matches!(added, AddedJob::Existing(_)) {
            self.forget(&added.job().id);
            self.work.notify_one();
            self.announce();
        }
        Ok((added.job().clone(), matches!(added, AddedJob::Existing(_))))
    }

    /// Of a recording on a recorder no time is looked at twice.
    async fn check_overlap(&self, new: &NewJob) -> Result<(), JobError> {
        let Some(length) = JobSettings::from_text(&new.settings).and_then(|settings| settings.length()) else { return Ok(()) };
        let end = |start: CaptureTime, length: Duration| start.plus_micros(i64::try_from(length.as_micros()).unwrap_or(i64::MAX));
        for other in self.catalogue.jobs_at(&new.camera, &new.path).await? {
            let kept = !matches!(other.state, JobState::Failed(_) | JobState::Cancelled) && other.id != new.id();
            let lasts = JobSettings::from_text(&other.spec.settings).and_then(|settings| settings.length()).unwrap_or_default();
            let (from, to) = (other.spec.start, end(other.spec.start, lasts));
            if kept && from < end(new.start, length) && new.start < to {
                let message = format!("{from} to {to} of this recording is there already as job {}", other.id);
                let hint = "give times before or after it; see `sightline archive list`";
                return Err(Problem::new(Kind::Exists, "footage_exists", message, hint).into());
            }
        }
        Ok(())
    }

    /// Stops a job; what it had stored is removed, now if it waited, by its worker if it runs.
    pub(crate) async fn cancel(&self, id: &JobId) -> Result<Job, JobError> {
        let before = self.catalogue.job(id).await?;
        if before.state.is_final() {
            let state = before.state.as_str();
            return Err(CatalogueError::JobState { id: id.clone(), state, wanted: "cancelled" }.into());
        }
        let job = self.catalogue.cancel_job(id).await?;
        if let Some(live) = self.lock().get(id) {
            live.cancel.cancel();
        }
        self.announce();
        Ok(job)
    }

    pub(crate) fn live(&self, id: &JobId) -> Option<Live> {
        self.lock().get(id).cloned()
    }

    /// Wakes up whenever a job changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Queues a job again that failed or was cancelled.
    pub(crate) async fn retry(&self, job: &Job) -> Result<Job, JobError> {
        if !matches!(job.state, JobState::Failed(_) | JobState::Cancelled) {
            return Err(wrong_state(job, "only what failed or was cancelled is tried again"));
        }
        Ok(self.add(&job.spec).await?.0)
    }

    /// Takes away what a job that has ended had stored, and the job; how many sightings that were. Its footage can then be
    /// added again, with another start too.
    pub(crate) async fn remove(&self, job: &Job, now: Settled) -> Result<u64, JobError> {
        let _one = self.adding.lock().await;
        let held = self.cluster.wait_for_lease(lease_names::FOOTAGE, ADDING).await?;
        let job = &self.catalogue.job(&job.id).await?;
        if !job.state.is_final() {
            return Err(wrong_state(job, "cancel it first: `sightline archive cancel`"));
        }
        self.check_holds(job, now).await?;
        let gone = self.discard(job, &held.fence()).await?;
        self.catalogue.remove_job(&job.id).await?;
        self.forget(&job.id);
        self.announce();
        Ok(gone)
    }

    /// What two people keep, one can't take away.
    async fn check_holds(&self, job: &Job, Settled(now): Settled) -> Result<(), JobError> {
        let start = job.spec.start;
        let length = job.progress.total.unwrap_or(job.progress.done).max(job.progress.done);
        let end = start.plus_micros(i64::try_from(length.as_micros()).unwrap_or(i64::MAX));
        let holds = self.catalogue.standing_holds().await?;
        let Some(hold) = holds.iter().find(|h| h.holds(now) && h.covers(&job.spec.camera, start, end)) else { return Ok(()) };
        let message = format!("the hold {} keeps what the camera {} saw then", hold.id, job.spec.camera);
        Err(Problem::new(Kind::State, "held", message, "have the hold released first: `sightline hold release`").into())
    }

    /// Takes away what came from a job's footage.
    async fn discard(&self, job: &Job, fence: &FencingToken) -> Result<u64, CatalogueError> {
        let gone = self.catalogue.discard_footage(&job.spec.camera, job.spec.footage, fence).await?;
        if gone.sightings > 0
            && let Err(error) = self.feed.catch_up().await
        {
            tracing::error!(error = %Chain(&error), "index lags behind the catalogue");
        }
        Ok(gone.sightings)
    }

    /// Takes a job that waits, of those whose file is here and whose recorder may be asked for more.
    async fn take(&self) -> Result<Option<TakenJob>, CatalogueError> {
        loop {
            match self.take_one().await? {
                Took::Job(taken) => return Ok(Some(*taken)),
                Took::Nothing => return Ok(None),
                Took::Later => {}
            }
        }
    }

    async fn take_one(&self) -> Result<Took, CatalogueError> {
        let except: Vec<JobId> = {
            let mut later = self.later.lock();
            later.retain(|_, until| *until > Instant::now());
            later.keys().cloned().collect()
        };
        let lasts = if self.cluster.is_shared() { Cluster::LEASE } else { FOREVER };
        let Some(taken) = self.catalogue.take_job(self.cluster.id(), lasts, &except).await? else { return Ok(Took::Nothing) };
        if let Some(Recording { recorder, .. }) = Recording::of_path(&taken.job.spec.path).filter(|_| !taken.job.cancelling) {
            if self.cluster.is_shared() && !self.recorders.is_here(&recorder) {
                tracing::info!(job = %taken.job.id, %recorder, "its recorder's password is not on this machine: left to other servers");
                self.put_back(&taken, LOOK_AGAIN).await?;
                return Ok(Took::Later);
            }
            // As many of its recordings are played as may be at once.
            if !self.recorders.is_free(&recorder).await? {
                self.put_back(&taken, TRY_AGAIN).await?;
                return Ok(Took::Later);
            }
            return Ok(Took::Job(Box::new(taken)));
        }
        if self.cluster.is_shared() && !taken.job.cancelling && !Path::new(&taken.job.spec.path).exists() {
            tracing::info!(job = %taken.job.id, "its file is not on this machine: left to other servers");
            self.put_back(&taken, LOOK_AGAIN).await?;
            return Ok(Took::Later);
        }
        Ok(Took::Job(Box::new(taken)))
    }

    /// Queues a job again that is ours; this server does not take it for a while.
    async fn put_back(&self, taken: &TakenJob, pause: Duration) -> Result<(), CatalogueError> {
        self.catalogue.put_back(&taken.lease).await?;
        self.later.lock().insert(taken.job.id.clone(), Instant::now() + pause);
        Ok(())
    }

    /// Says that what is worked on here still is; what is another server's by now is put down.
    pub(crate) async fn renew(&self) -> Result<(), CatalogueError> {
        // Before the renewal: one that is begun meanwhile may not be among those that the renewal names.
        let active = self.active.all();
        let ours = self.catalogue.renew_jobs(self.cluster.id(), Cluster::LEASE).await?;
        for lost in active.iter().filter(|running| !ours.contains(&running.job.id)) {
            lost.cancel.cancel();
        }
        Ok(())
    }

    /// A job has more parts than the worker that took it can do at once.
    fn more_to_do(&self) {
        self.work.notify_waiters();
    }

    fn announce(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    fn begin(&self, id: &JobId, cancel: CancellationToken) {
        let mut live = self.lock();
        if live.len() >= MAX_REMEMBERED {
            live.retain(|_, l| !l.cancel.is_cancelled());
        }
        live.insert(id.clone(), Live { cancel, progress: None, waits: None });
        drop(live);
        self.announce();
    }

    fn progressed(&self, id: &JobId, progress: FootageProgress) {
        if let Some(live) = self.lock().get_mut(id) {
            live.progress = Some(progress);
        }
        self.announce();
    }

    /// The job has ended; its last progress stays for those who ask.
    fn ended(&self, id: &JobId) {
        if let Some(live) = self.lock().get(id) {
            live.cancel.cancel();
        }
        self.announce();
    }

    /// It is gone on with later; until then this is why.
    fn waits(&self, id: &JobId, why: JobFailure) {
        if let Some(live) = self.lock().get_mut(id) {
            live.waits = Some(why);
        }
        self.announce();
    }

    fn forget(&self, id: &JobId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Live>> {
        // A panic elsewhere leaves the map whole: every change to it is one step.
        self.live.lock()
    }

    /// Waits until something may be queued; not forever, since one wake-up is for one worker and there may be more work.
    async fn wait(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.work.notified()).await;
    }
}

/// Says that this server still works on its jobs; puts down those that are another's by now.
pub(crate) async fn keep_leases(jobs: Arc<Jobs>, stop: CancellationToken) {
    if !jobs.cluster.is_shared() {
        return;
    }
    loop {
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(Cluster::RENEW) => {} }
        if let Err(error) = jobs.renew().await {
            tracing::error!(error = %Chain(&error), "the leases of running jobs are not renewed");
        }
    }
}

fn wrong_state(job: &Job, hint: &'static str) -> JobError {
    let (id, state) = (&job.id, job.state.as_str());
    Problem::new(Kind::State, "job_state", format!("job {id} is {state}"), hint).into()
}

/// Since when a job has ended, if it has.
pub(crate) fn finished(job: &Job) -> Option<ReceiveTime> {
    job.state.is_final().then_some(job.updated)
}
