use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use catalogue::{CatalogueError, Job, JobProgress, JobState};
use pipeline::{FootageError, FootageProgress, FootageTask, SceneOptions, run_footage};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use types::{ClockUncertainty, TimeSource, TimeStamp};
use vision::{ModelStore, Vision, VisionOptions};

use super::{JobSettings, Jobs, sink::CatalogueSink};
use crate::status::chain;

/// The threads that do the jobs.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Workers {
    pub(crate) fn start(
        count: usize,
        jobs: &Arc<Jobs>,
        models: &ModelStore,
        options: &VisionOptions,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let mut threads = Vec::new();
        for number in 0..count {
            let mut worker = Worker {
                runtime: Handle::current(),
                jobs: jobs.clone(),
                models: models.clone(),
                options: options.clone(),
                vision: None,
                stop: stop.clone(),
            };
            let name = format!("footage-{number}");
            threads.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(Self { threads, stop })
    }

    /// Waits until every worker has put its job down. Blocks; what was running starts again with the next server.
    pub(crate) fn join(self) {
        self.stop.cancel();
        for worker in self.threads {
            if worker.join().is_err() {
                tracing::error!("a footage worker panicked");
            }
        }
    }
}

struct Worker {
    runtime: Handle,
    jobs: Arc<Jobs>,
    models: ModelStore,
    options: VisionOptions,
    /// Loaded with the first job.
    vision: Option<Vision>,
    stop: CancellationToken,
}

/// Why a job failed, as it is stored and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobFailure {
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Worker {
    fn run(&mut self) {
        while !self.stop.is_cancelled() {
            match self.runtime.block_on(self.jobs.catalogue.take_job()) {
                Ok(Some(job)) => self.work(&job),
                Ok(None) => {
                    let (jobs, stop) = (self.jobs.clone(), self.stop.clone());
                    self.runtime.block_on(async move {
                        tokio::select! { () = jobs.wait() => {}, () = stop.cancelled() => {} }
                    });
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "no job taken");
                    thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    fn work(&mut self, job: &Job) {
        let span = tracing::info_span!("job", id = %job.id, camera = %job.spec.camera);
        let _entered = span.enter();
        let cancel = self.stop.child_token();
        self.jobs.begin(&job.id, cancel.clone());
        let ended = self.footage(job, &cancel);
        let end = match ended {
            Ok(None) => JobState::Done,
            Ok(Some(damage)) => {
                tracing::warn!(damage = damage.message, "footage damaged: its readable part was kept");
                JobState::Damaged(damage.to_text())
            }
            // Left as running: the next start queues it again, from nothing.
            Err(Ended::Cancelled) if self.stop.is_cancelled() => {
                tracing::info!("job put down: the server stops");
                return;
            }
            Err(Ended::Cancelled) => JobState::Cancelled,
            Err(Ended::Failed(failure)) => {
                tracing::warn!(reason = failure.message, "job failed");
                JobState::Failed(failure.to_text())
            }
        };
        if let Err(error) = self.finish(job, &end) {
            tracing::error!(error = %chain(&error), "job not finished: the next start does it again");
        }
        self.jobs.ended(&job.id);
    }

    /// Nothing of a job that did not end well stays, and only then is it over.
    fn finish(&self, job: &Job, end: &JobState) -> Result<(), CatalogueError> {
        if !matches!(end, JobState::Done | JobState::Damaged(_)) {
            self.discard(job)?;
        }
        self.runtime.block_on(self.jobs.catalogue.finish_job(&job.id, end))?;
        Ok(())
    }

    fn discard(&self, job: &Job) -> Result<(), CatalogueError> {
        let gone = self.runtime.block_on(self.jobs.catalogue.discard_footage(&job.spec.camera, job.spec.footage))?;
        if gone.sightings > 0
            && let Err(error) = self.runtime.block_on(self.jobs.feed.catch_up())
        {
            tracing::error!(error = %chain(&error), "index lags behind the catalogue");
        }
        Ok(())
    }

    /// What is wrong with the file, if only its readable part was wanted and kept.
    fn footage(&mut self, job: &Job, cancel: &CancellationToken) -> Result<Option<JobFailure>, Ended> {
        // Of an earlier, cut-off run.
        self.discard(job)?;
        let camera = self.runtime.block_on(self.jobs.catalogue.camera(&job.spec.camera))?;
        let Some(settings) = JobSettings::from_text(&job.spec.settings) else {
            return Err(JobFailure::new("another version of Sightline queued this job", "add the footage again").into());
        };
        let task = FootageTask {
            path: PathBuf::from(&job.spec.path),
            camera: camera.id,
            agency: camera.agency,
            digest: job.spec.footage,
            start: TimeStamp {
                time: job.spec.start,
                uncertainty: ClockUncertainty(settings.start_uncertainty()),
                source: TimeSource::Given,
            },
            sampling: settings.sampling(),
            keep_readable: settings.keep_readable,
            scene: SceneOptions::default(),
        };
        if self.vision.is_none() {
            self.vision = Some(
                Vision::load(&self.models, &self.options)
                    .map_err(|e| JobFailure::new(chain(&e), e.hint().unwrap_or("run `sightline models verify`")))?,
            );
        }
        let Some(vision) = &mut self.vision else { return Err(Ended::Cancelled) };
        let (catalogue, feed) = (self.jobs.catalogue.clone(), self.jobs.feed.clone());
        let mut sink = CatalogueSink { runtime: self.runtime.clone(), catalogue, feed };
        let (jobs, runtime) = (&self.jobs, &self.runtime);
        let mut progress = |p: FootageProgress| {
            jobs.progressed(&job.id, p);
            let kept = JobProgress { done: p.done, total: p.total, sightings: p.stats.sightings };
            match runtime.block_on(jobs.catalogue.progress_job(&job.id, kept)) {
                Ok(true) => {}
                Ok(false) => cancel.cancel(),
                Err(error) => tracing::warn!(error = %chain(&error), "progress not noted"),
            }
        };
        let summary = run_footage(&task, vision, &mut sink, &mut progress, cancel)?;
        let p = summary.progress;
        tracing::info!(seconds = p.done.as_secs_f64(), speed = p.speed(), sightings = p.stats.sightings, "footage done");
        Ok(summary.damage.as_ref().map(JobFailure::of_media))
    }
}

enum Ended {
    Cancelled,
    Failed(JobFailure),
}

impl From<JobFailure> for Ended {
    fn from(failure: JobFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<CatalogueError> for Ended {
    fn from(error: CatalogueError) -> Self {
        JobFailure::new(chain(&error), "check the server's disk, then add the footage again").into()
    }
}

impl From<FootageError> for Ended {
    fn from(error: FootageError) -> Self {
        match error {
            FootageError::Cancelled => Self::Cancelled,
            FootageError::Media(media) => JobFailure::of_media(&media).into(),
            FootageError::Scene(_) => JobFailure::new(chain(&error), "run `sightline models verify`").into(),
            FootageError::Sink(_) => JobFailure::new(chain(&error), "check the server's disk, then add the footage again").into(),
        }
    }
}

impl JobFailure {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// These say what is wrong and, after the last semicolon, what to do.
    pub(crate) fn of_media(error: &media::MediaError) -> Self {
        let text = chain(error);
        match text.rsplit_once("; ") {
            Some((message, hint)) => Self::new(message, hint),
            None => Self::new(text, ""),
        }
    }

    fn to_text(&self) -> String {
        format!("{}\n{}", self.message.replace('\n', " "), self.hint)
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let (message, hint) = text.split_once('\n').unwrap_or((text, ""));
        Self::new(message, hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_being_stored_with_its_hint() {
        let failure = JobFailure::new("cut off", "copy it again");
        assert_eq!(JobFailure::from_text(&failure.to_text()), failure);
        assert_eq!(JobFailure::from_text("only this"), JobFailure::new("only this", ""));
    }

    #[test]
    fn a_media_error_is_split_into_what_is_wrong_and_what_to_do() {
        let error = media::MediaError::Empty { input: "a.mp4".to_owned() };
        let failure = JobFailure::of_media(&error);
        assert_eq!(
            (failure.message.as_str(), failure.hint.as_str()),
            ("a.mp4: the file is empty", "copy it again from the recorder")
        );
    }
}
