//! Footage jobs: durable in the catalogue, done by worker threads that each own their models.

mod settings;
mod sink;
mod worker;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use catalogue::{AddedJob, Catalogue, CatalogueError, Job, JobState, NewJob};
use pipeline::FootageProgress;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use types::{JobId, ReceiveTime};

pub(crate) use settings::JobSettings;
pub(crate) use sink::{record, store_sightings};
pub(crate) use worker::{JobFailure, Workers};

use crate::{feed::IndexFeed, status::Fault};

/// What a running job knows that the catalogue does not keep.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Option<FootageProgress>,
}

/// The queue, and what is being worked on.
#[derive(Debug)]
pub(crate) struct Jobs {
    catalogue: Catalogue,
    feed: Arc<IndexFeed>,
    max_queued: u32,
    /// Bounded by the number of workers, plus the last progress of jobs that ended in this process, at most
    /// [`MAX_REMEMBERED`].
    live: Mutex<HashMap<JobId, Live>>,
    /// Something may be queued.
    work: Notify,
    /// Counts changes, for those who watch.
    changed: watch::Sender<u64>,
    /// One at a time: two that add the same footage at once must see each other.
    adding: tokio::sync::Mutex<()>,
}

const MAX_REMEMBERED: usize = 1000;

impl Jobs {
    pub(crate) fn new(catalogue: Catalogue, feed: Arc<IndexFeed>, max_queued: u32) -> Self {
        Self {
            catalogue,
            feed,
            max_queued,
            live: Mutex::default(),
            work: Notify::new(),
            changed: watch::Sender::new(0),
            adding: tokio::sync::Mutex::default(),
        }
    }

    /// Queues footage; `true` if the job was there before.
    ///
    /// # Errors
    /// The same footage of the same camera is there with another start or other settings, or too many jobs wait.
    pub(crate) async fn add(&self, new: &NewJob) -> Result<(Job, bool), Fault> {
        let _one = self.adding.lock().await;
        let jobs = self.catalogue.jobs(u32::MAX).await?;
        let same = |j: &&Job| j.spec.camera == new.camera && j.spec.footage == new.footage && j.id != new.id();
        let kept = |j: &&Job| !matches!(j.state, JobState::Failed(_) | JobState::Cancelled);
        if let Some(other) = jobs.iter().filter(kept).find(same) {
            let message = format!(
                "this footage of camera {} is there already as job {}, which starts at {} or has other settings",
                new.camera, other.id, other.spec.start
            );
            return Err(Fault::Caller {
                code: tonic::Code::AlreadyExists,
                reason: "footage_exists",
                message,
                hint: "footage is added once a camera; see `sightline archive list`",
            });
        }
        let queued = jobs.iter().filter(|j| j.state == JobState::Queued).count();
        let is_new = !jobs.iter().any(|j| j.id == new.id());
        if is_new && queued >= self.max_queued as usize {
            return Err(Fault::Caller {
                code: tonic::Code::ResourceExhausted,
                reason: "queue_full",
                message: format!("{queued} jobs wait already"),
                hint: "add it again when some are done",
            });
        }
        let added = self.catalogue.add_job(new).await?;
        if !matches!(added, AddedJob::Existing(_)) {
            self.forget(&added.job().id);
            self.work.notify_one();
            self.announce();
        }
        Ok((added.job().clone(), matches!(added, AddedJob::Existing(_))))
    }

    /// Stops a job; what it had stored is removed, now if it waited, by its worker if it runs.
    pub(crate) async fn cancel(&self, id: &JobId) -> Result<Job, Fault> {
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

    fn announce(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    fn begin(&self, id: &JobId, cancel: CancellationToken) {
        let mut live = self.lock();
        if live.len() >= MAX_REMEMBERED {
            live.retain(|_, l| !l.cancel.is_cancelled());
        }
        live.insert(id.clone(), Live { cancel, progress: None });
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

    fn forget(&self, id: &JobId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Live>> {
        // A panic elsewhere leaves the map whole: every change to it is one step.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something may be queued; not forever, since one wake-up is for one worker and there may be more work.
    async fn wait(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.work.notified()).await;
    }
}

/// Since when a job has ended, if it has.
pub(crate) fn finished(job: &Job) -> Option<ReceiveTime> {
    job.state.is_final().then_some(job.updated)
}
