use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use catalogue::{CatalogueError, FencingToken, Job, JobProgress, JobState, Plan, SegmentDone, TakenJob};
use media::{Backoff, Footage, FootageInfo, MediaError, Replay};
use metrics::counter;
use pipeline::{
    Archived, FootageError, FootageProgress, FootageSummary, FootageTask, SceneOptions, SceneStats, Segment, run_segment,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use types::{Chain, ClockUncertainty, TimeSource, TimeStamp, TimeWindow};
use vision::{ModelStore, Role, Vision, VisionOptions};

use super::{
    ASK_AGAIN, JobSettings, Jobs, TRY_AGAIN,
    ended::{Ended, JobFailure},
    running::{Origin, Running, SegmentOutcome},
    shortfall::Shortfall,
    sink::CatalogueSink,
};
use crate::{
    jobs::footage_files::{Alive, digest},
    recorders::Recording,
    telemetry::metrics::names,
};

/// The threads that do the jobs.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

/// Below whatever else the machine does: live cameras and searches come first.
const NICE: i32 = 10;
/// After a panic.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A part whose decoder dies is looked at again, once: memory may have been short. Then it is the footage.
const TRIES: u32 = 2;
/// How long the end of a job waits for another server to feed the index.
const FED: Duration = Duration::from_secs(5);

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
                probe: Arc::new(media::probe_footage),
                vision: None,
                stop: stop.clone(),
            };
            let name = format!("footage-{number}");
            threads.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(Self { threads, stop })
    }

    /// Waits until every worker has put its job down. Blocks; the next server goes on with the parts that are not done.
    pub(crate) fn join(self) {
        self.stop.cancel();
        for worker in self.threads {
            if worker.join().is_err() {
                tracing::error!("a footage worker panicked");
            }
        }
    }
}

type Probe = Arc<dyn Fn(&Footage) -> Result<FootageInfo, MediaError> + Send + Sync>;

struct Worker {
    runtime: Handle,
    jobs: Arc<Jobs>,
    models: ModelStore,
    options: VisionOptions,
    /// Reads the file, and waits half a minute for one that tells nothing.
    probe: Probe,
    /// Loaded with the first job.
    vision: Option<Vision>,
    stop: CancellationToken,
}

impl Worker {
    fn run(&mut self) {
        // Of this thread alone, as Linux has it. One that may not is as fast as the others.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::warn!(%error, "footage is worked on with the priority of everything else");
        }
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !self.stop.is_cancelled() {
            // The panic itself is in the log already.
            match panic::catch_unwind(AssertUnwindSafe(|| self.turn())) {
                Ok(()) => backoff.reset(),
                Err(_) => {
                    let pause = backoff.wait();
                    tracing::error!(?pause, "a footage worker panicked; it goes on");
                    thread::sleep(pause);
                }
            }
        }
    }

    /// Looks at one part, or waits for one.
    fn turn(&mut self) {
        match self.next() {
            Ok(Some((running, part))) => self.work(&running, &part),
            Ok(None) => {
                let (jobs, stop) = (self.jobs.clone(), self.stop.clone());
                self.runtime.block_on(async move {
                    tokio::select! { () = jobs.wait() => {}, () = stop.cancelled() => {} }
                });
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "no job taken");
                thread::sleep(Duration::from_secs(1));
            }
        }
    }

    /// What to do next: a part of the job that is under way for longest, else of the one that waits for longest.
    fn next(&self) -> Result<Option<(Arc<Running>, Segment)>, CatalogueError> {
        if let Some(work) = self.jobs.active.part() {
            return Ok(Some(work));
        }
        let Some(taken) = self.runtime.block_on(self.jobs.take())? else { return Ok(None) };
        self.jobs.begin(&taken.job.id, self.stop.child_token());
        // Of one that was to stop when its server died all that is left is to end it.
        let prepared = if taken.job.cancelling { Err(Ended::Cancelled) } else { self.prepare(taken.clone()) };
        let running = match prepared {
            Ok(running) => Arc::new(running),
            Err(ended) => {
                self.end(&taken, Err(ended));
                return Ok(None);
            }
        };
        if running.is_done() {
            self.end(&taken, read_what_was_added(&running).map(|()| running.shortfall().told(&running.info.left_out)));
            return Ok(None);
        }
        let part = running.take();
        self.jobs.active.add(running.clone());
        self.jobs.more_to_do();
        Ok(part.map(|part| (running, part)))
    }

    /// Looks at the file and cuts the job into parts; those that are done stay done.
    fn prepare(&self, taken: TakenJob) -> Result<Running, Ended> {
        let job = &taken.job;
        let camera = self.runtime.block_on(self.jobs.catalogue.camera(&job.spec.camera))?;
        let Some(settings) = JobSettings::from_text(&job.spec.settings) else {
            return Err(JobFailure::new("another version of Sightline queued this job", "add the footage again").into());
        };
        let start = TimeStamp {
            time: job.spec.start,
            uncertainty: ClockUncertainty(settings.start_uncertainty()),
            source: TimeSource::Given,
        };
        let (footage, start, from): (Archived, _, _) = match Recording::of_path(&job.spec.path) {
            Some(recording) => {
                let start = TimeStamp { source: TimeSource::Recorder, ..start };
                let (replay, from) = self.replay(&recording, start, settings.length().unwrap_or_default())?;
                (replay.into(), start, Some(from))
            }
            None => {
                let opened = self.jobs.roots.open(&camera.agency, Path::new(&job.spec.path));
                (opened.map_err(|e| JobFailure::of_media(&e))?.into(), start, None)
            }
        };
        let task = FootageTask {
            footage,
            camera: camera.id,
            agency: camera.agency,
            digest: job.spec.footage,
            start,
            sampling: settings.sampling(),
            keep_readable: settings.keep_readable,
            scene: SceneOptions::default(),
        };
        let info = match &task.footage {
            Archived::File(file) => (self.probe)(file),
            recording @ Archived::Replay(_) => recording.info(),
        };
        let info = info.map_err(|e| JobFailure::of_media(&e))?;
        if info.clockless && settings.stated_fps.is_none() {
            return Err(JobFailure::without_a_clock(Path::new(&job.spec.path)).into());
        }
        let cancel = self.jobs.live(&job.id).map_or_else(|| self.stop.child_token(), |live| live.cancel);
        let running = Running::new(taken, task, info, settings.segment(), cancel, from);
        // Parts of a file that was written to in between are not parts of one file.
        let stamp = match &running.task.footage {
            Archived::File(file) => file.stamp().to_string(),
            Archived::Replay(_) => "recording".to_owned(),
        };
        let recipe = format!("{} {stamp}", self.recipe());
        let plan = self.jobs.catalogue.plan_job(&running.lease, &recipe, running.parts());
        match self.runtime.block_on(plan)? {
            Plan::GoesOn(done) => {
                tracing::info!(job = %running.job.id, done = done.len(), of = running.parts(), "job goes on");
                running.done_before(&done);
            }
            // Of an earlier run that looked at it in another way, if anything.
            Plan::Anew => self.discard(&running.job, &running.fence())?,
        }
        Ok(running)
    }

    /// Asks a recorder where it plays a recording.
    fn replay(&self, recording: &Recording, start: TimeStamp, length: Duration) -> Result<(Replay, Origin), Ended> {
        let (recorders, recorder) = (&self.jobs.recorders, recording.recorder.clone());
        let replay = self.runtime.block_on(recorders.replay(recording, start, length))?;
        let sessions = self.runtime.block_on(recorders.sessions(&recorder))?;
        Ok((replay, Origin { recorders: recorders.clone(), recorder, sessions }))
    }

    /// Parts looked at in different ways don't fit together.
    fn recipe(&self) -> String {
        let manifest = self.models.manifest();
        let digest = |name: &Option<String>, role| {
            let entry = name.as_ref().map_or_else(|| manifest.default(role), |name| manifest.entry(name));
            entry.map_or_else(|_| String::new(), |e| e.digest.to_string())
        };
        let o = &self.options;
        format!(
            "{} {} {} {} {} {:?} {}",
            env!("CARGO_PKG_VERSION"),
            digest(&o.detector, Role::Detector),
            digest(&o.faces, Role::FaceFinder),
            digest(&o.embedder, Role::Embedder),
            digest(&None, Role::Figure),
            o.appearance,
            o.detector_options.threshold,
        )
    }

    fn work(&mut self, running: &Arc<Running>, part: &Segment) {
        let job = &running.job;
        let span = tracing::info_span!("job", id = %job.id, camera = %job.spec.camera, part = part.number);
        let _entered = span.enter();
        let looked = panic::catch_unwind(AssertUnwindSafe(|| self.footage(running, part)));
        let how = looked.unwrap_or_else(|_| {
            // What the models were in the middle of is not gone on with.
            self.vision = None;
            let message = "looking at the footage panicked; the server's log says where";
            Err(JobFailure::new(message, "please report it, with the log, and add the footage again").into())
        });
        if matches!(how, Err(Ended::Cancelled)) && self.stop.is_cancelled() {
            // Left as running: the next start goes on with what is not done.
            tracing::info!("job put down: the server stops");
            return;
        }
        if let SegmentOutcome::Over(how) = running.finish(part, how) {
            let how = how.and_then(|shortfall| read_what_was_added(running).map(|()| shortfall.told(&running.info.left_out)));
            self.jobs.active.remove(running);
            self.end(&TakenJob { job: job.clone(), lease: running.lease.clone() }, how);
        }
    }

    /// Nothing of a job that did not end well stays, and only then is it over.
    fn end(&self, taken: &TakenJob, how: Result<Option<JobFailure>, Ended>) {
        let end = match how {
            Ok(None) => JobState::Done,
            Ok(Some(but)) => {
                tracing::warn!(but = but.message, "footage done, but not all of it, or not for sure");
                JobState::Damaged(but.to_text())
            }
            Err(Ended::Cancelled) => JobState::Cancelled,
            Err(Ended::Failed(failure)) => {
                tracing::warn!(reason = failure.message, "job failed");
                JobState::Failed(failure.to_text())
            }
            Err(Ended::Away(why)) => {
                tracing::warn!(reason = why.message, "job put down: its recorder is asked again in a moment");
                return self.put_down(taken, ASK_AGAIN, Some(why));
            }
            Err(Ended::PutDown(reason)) => {
                tracing::warn!(reason, "job put down: what can't be stored now is looked at again in a moment");
                return self.put_down(taken, TRY_AGAIN, None);
            }
        };
        match self.until_stored(|| self.finish(taken, &end)) {
            Ok(()) => {}
            Err(CatalogueError::NotOurs { .. }) => tracing::warn!("another server goes on with the job"),
            Err(error) => tracing::error!(error = %Chain(&error), "job not finished: the next start does it again"),
        }
        self.jobs.ended(&taken.job.id);
    }

    /// Leaves the job to whoever takes it after the pause; `why` is shown until then.
    fn put_down(&self, taken: &TakenJob, pause: Duration, why: Option<JobFailure>) {
        if let Err(error) = self.until_stored(|| self.runtime.block_on(self.jobs.put_back(taken, pause))) {
            tracing::error!(error = %Chain(&error), "job not queued again: the next start does it");
        }
        if let Some(why) = why {
            self.jobs.waits(&taken.job.id, why);
        }
        self.jobs.ended(&taken.job.id);
    }

    /// Tries again for as long as the store is away, busy or full, and nobody stops the server.
    fn until_stored(&self, mut store: impl FnMut() -> Result<(), CatalogueError>) -> Result<(), CatalogueError> {
        loop {
            match store() {
                Err(error) if error.may_pass() && !self.stop.is_cancelled() => {
                    tracing::warn!(error = %Chain(&error), "the end of a job is not stored yet");
                    thread::sleep(FIRST_PAUSE);
                }
                done => return done,
            }
        }
    }

    fn finish(&self, taken: &TakenJob, end: &JobState) -> Result<(), CatalogueError> {
        if !matches!(end, JobState::Done | JobState::Damaged(_)) {
            self.discard(&taken.job, &taken.lease.clone().into())?;
        }
        // Who is told that it is done looks for it; what another server feeds takes it a moment.
        let feed = &self.jobs.feed;
        if !feed.is_leader()
            && let Err(error) = self.runtime.block_on(feed.await_current(FED))
        {
            tracing::warn!(error = %Chain(&error), "index lags behind the catalogue");
        }
        self.runtime.block_on(self.jobs.catalogue.finish_job(&taken.lease, end)).map(drop)
    }

    fn discard(&self, job: &Job, fence: &FencingToken) -> Result<(), CatalogueError> {
        self.runtime.block_on(self.jobs.discard(job, fence)).map(drop)
    }

    /// Looks at a part and stores what it shows. With what was not looked at or is not sure, and the damage if only the file's
    /// readable part was wanted and kept.
    fn footage(&mut self, running: &Running, part: &Segment) -> Result<(SceneStats, Duration, Shortfall), Ended> {
        if self.vision.is_none() {
            self.vision = Some(
                Vision::load(&self.models, &self.options)
                    .map_err(|e| JobFailure::new(Chain(&e).to_string(), e.hint().unwrap_or("run `sightline models verify`")))?,
            );
        }
        let Some(vision) = &mut self.vision else { return Err(Ended::Cancelled) };
        let (job, jobs, runtime) = (&running.job, &self.jobs, &self.runtime);
        let mut sink = CatalogueSink {
            runtime: runtime.clone(),
            catalogue: jobs.catalogue.clone(),
            feed: jobs.feed.clone(),
            fence: running.fence(),
        };
        let mut counted = Counted::of(job);
        let mut progress = |p: FootageProgress| {
            counted.take(&p);
            running.progressed(part, p);
            let all = running.progress();
            jobs.progressed(&job.id, all);
            let kept = JobProgress { done: all.done, total: all.total, sightings: all.stats.sightings };
            match runtime.block_on(jobs.catalogue.progress_job(&running.lease, kept)) {
                Ok(true) => {}
                Ok(false) | Err(CatalogueError::NotOurs { .. }) => running.cancel.cancel(),
                Err(error) => tracing::warn!(error = %Chain(&error), "progress not noted"),
            }
        };
        let mut tries = 0;
        let summary = loop {
            tries += 1;
            let looked = run_segment(&running.task, part, &running.info, vision, &mut sink, &mut progress, &running.cancel);
            match &looked {
                // The same part gives the same sightings under the same ids: what is there already stays as it is.
                Err(FootageError::Media(error)) | Ok(FootageSummary { damage: Some(error), .. })
                    if matches!(error, MediaError::Died { .. }) && tries < TRIES =>
                {
                    tracing::warn!(error = %error, "the part is looked at once more");
                }
                _ => break looked.map_err(|error| ended(error, &running.task.footage))?,
            }
        };
        let at = |since: Duration| running.task.start.time.plus_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let gaps: Vec<TimeWindow> =
            summary.gaps.iter().filter_map(|(from, to)| TimeWindow::new(at(*from), at(*to)).ok()).collect();
        if !gaps.is_empty() {
            runtime.block_on(jobs.catalogue.note_gaps(&running.lease, &gaps))?;
        }
        let (p, shortfall) = (summary.progress, Shortfall::from(&summary));
        let done = SegmentDone {
            number: part.number,
            frames: p.stats.frames,
            detections: p.stats.detections,
            sightings: p.stats.sightings,
            crops_refused: p.stats.crops_refused,
            ..shortfall.kept()
        };
        runtime.block_on(jobs.catalogue.finish_segment(&running.lease, done))?;
        tracing::info!(seconds = p.done.as_secs_f64(), speed = p.speed(), sightings = p.stats.sightings, "part done");
        Ok((p.stats, p.done, shortfall))
    }
}

/// A recorder that stopped may be there again.
fn ended(error: FootageError, of: &Archived) -> Ended {
    match (error, of) {
        (FootageError::Media(error @ (MediaError::Unreachable { .. } | MediaError::Stalled { .. })), Archived::Replay(_)) => {
            Ended::Away(JobFailure::of_media(&error))
        }
        (error, _) => error.into(),
    }
}

/// Compares the digest of what was decoded with that of what was added, through the handle that was decoded.
fn read_what_was_added(running: &Running) -> Result<(), Ended> {
    let task = &running.task;
    let failed = |e: MediaError| Ended::from(JobFailure::of_media(&e));
    // A recording is nowhere as a file; its digest is of what names it.
    let Archived::File(file) = &task.footage else { return Ok(()) };
    if digest(file, &Alive::default()).map_err(failed)? == task.digest {
        return Ok(());
    }
    Err(failed(MediaError::Changed { input: file.path().display().to_string() }))
}

/// Tells the counters what is new.
struct Counted {
    camera: String,
    done: Duration,
    stats: SceneStats,
}

impl Counted {
    fn of(job: &Job) -> Self {
        Self { camera: job.spec.camera.to_string(), done: Duration::ZERO, stats: SceneStats::default() }
    }

    fn take(&mut self, now: &FootageProgress) {
        let count = |name: &'static str, more: u64| {
            counter!(name, "camera" => self.camera.clone(), "origin" => "footage").increment(more);
        };
        count(names::SIGHTINGS, now.stats.sightings.saturating_sub(self.stats.sightings));
        count(names::CROPS_REFUSED, now.stats.crops_refused.saturating_sub(self.stats.crops_refused));
        // Whole seconds; what is left is counted with the next.
        let seconds = now.done.saturating_sub(self.done).as_secs();
        counter!(names::FOOTAGE_SECONDS).increment(seconds);
        (self.done, self.stats) = (self.done + Duration::from_secs(seconds), now.stats);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::mpsc};

    use catalogue::{Camera, Catalogue, CatalogueConfig, Cluster, NewJob};
    use index::{IndexLocation, IndexSpec};
    use indexer::IndexSet;
    use parking_lot::Mutex;
    use types::{AgencyId, CameraId, CaptureTime, FootageDigest, JobId, ModelDigest, Size};

    use super::*;
    use crate::{jobs::footage_files::FootageRoots, recorders::Recorders};

    /// Long enough for any machine; nobody waits for it where all is well.
    const PATIENCE: Duration = Duration::from_secs(60);
    /// As a server's that is not heard of any more.
    const OVER: Duration = Duration::ZERO;

    async fn jobs(folder: &Path) -> Arc<Jobs> {
        let catalogue = Catalogue::open(&CatalogueConfig::in_folder(folder)).await.unwrap();
        let agency = AgencyId::new("north").unwrap();
        catalogue.add_agency(&agency, "An agency").await.unwrap();
        catalogue.add_camera(&Camera::new(CameraId::new("gate").unwrap(), agency)).await.unwrap();
        let cluster = Arc::new(Cluster::join(catalogue.clone(), None).await.unwrap());
        let spec = IndexSpec { model: ModelDigest([1; 32]), appearance_len: 2 };
        let place = IndexLocation::folder(&folder.join("index"));
        let recorders =
            Arc::new(Recorders::new(catalogue.clone(), &folder.join("recorders"), Box::new(media::Networks::default)));
        let feed = IndexSet::open(cluster.clone(), &place, spec).await.unwrap();
        Arc::new(Jobs::new(catalogue, Arc::new(feed), cluster, 10, FootageRoots::new(BTreeMap::new()), recorders))
    }

    /// Two parts long.
    async fn add(jobs: &Jobs, folder: &Path, name: &str, n: u8) -> JobId {
        let path = folder.join(name);
        std::fs::write(&path, name).unwrap();
        let settings = JobSettings {
            sample_fps: 2.0,
            keyframes_only: false,
            keep_readable: false,
            start_uncertainty_us: 0,
            segment_s: 60,
            stated_fps: None,
            length_us: None,
        };
        let new = NewJob {
            camera: CameraId::new("gate").unwrap(),
            footage: FootageDigest([n; 32]),
            path: path.to_str().unwrap().to_owned(),
            start: "2026-03-01T08:00:00Z".parse::<CaptureTime>().unwrap(),
            settings: settings.to_text(),
        };
        jobs.add(&new).await.unwrap().0.id
    }

    fn two_minutes() -> FootageInfo {
        FootageInfo {
            duration: Some(Duration::from_secs(120)),
            size: Size { width: 64, height: 64 },
            frame_rate: Some(25.0),
            seekable: true,
            codec: String::new(),
            container: String::new(),
            clockless: false,
            left_out: Vec::new(),
        }
    }

    fn worker(jobs: &Arc<Jobs>, probe: &Probe) -> Worker {
        Worker {
            runtime: Handle::current(),
            jobs: jobs.clone(),
            models: ModelStore::from_env().unwrap(),
            options: VisionOptions::default(),
            probe: probe.clone(),
            vision: None,
            stop: CancellationToken::new(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_whose_store_is_away_is_put_down_and_what_is_done_of_it_stays_done_and_so_does_what_it_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(folder.path()).await;
        let id = add(&jobs, folder.path(), "good.mp4", 1).await;
        let probe: Probe = Arc::new(|_: &Footage| Ok(two_minutes()));
        let away = || CatalogueError::Unreachable { database: "PostgreSQL".to_owned(), source: "it restarts".into() };
        let one = worker(&jobs, &probe);
        tokio::task::spawn_blocking(move || {
            let (running, first) = one.next().unwrap().unwrap();
            let second = running.take().unwrap();
            let done = SegmentDone { number: first.number, frames: 1, unseen: 7, ..SegmentDone::default() };
            one.runtime.block_on(one.jobs.catalogue.finish_segment(&running.lease, done)).unwrap();
            assert!(matches!(
                running.finish(&first, Ok((SceneStats::default(), Duration::ZERO, Shortfall::default()))),
                SegmentOutcome::Going
            ));
            let stored = FootageError::Sink(pipeline::SinkError(Box::new(away())));
            let SegmentOutcome::Over(how) = running.finish(&second, Err(stored.into())) else { panic!("somebody works on it") };
            one.jobs.active.remove(&running);
            one.end(&TakenJob { job: running.job.clone(), lease: running.lease.clone() }, how.map(|_| None));
        })
        .await
        .unwrap();
        assert_eq!(jobs.catalogue.job(&id).await.unwrap().state, JobState::Queued);
        assert_eq!(jobs.take().await.unwrap(), None, "not at once by the server that had to put it down");

        jobs.later.lock().clear();
        let other = worker(&jobs, &probe);
        let goes_on = tokio::task::spawn_blocking(move || other.next().unwrap().unwrap());
        let (running, part) = goes_on.await.unwrap();
        let told = running.shortfall().told(&[]).unwrap().message;
        assert!(part.number == 1 && told.starts_with("7 pictures were not looked at"), "{told}");
        assert!(matches!(Ended::from(away()), Ended::PutDown(_)));
        let damaged = CatalogueError::Unreadable { what: "sighting".to_owned() };
        assert!(matches!(Ended::from(damaged), Ended::Failed(_)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_whose_probe_hangs_holds_up_neither_the_renewal_of_other_jobs_nor_their_workers() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = jobs(folder.path()).await;
        let other = add(&jobs, folder.path(), "good.mp4", 1).await;
        let stuck = add(&jobs, folder.path(), "hangs.mp4", 2).await;
        let (hangs, hung) = mpsc::sync_channel(16);
        let (release, released) = mpsc::sync_channel::<()>(16);
        let released = Mutex::new(released);
        let probe: Probe = Arc::new(move |footage: &Footage| {
            if footage.path().ends_with("hangs.mp4") {
                hangs.send(()).unwrap();
                let _ = released.lock().recv();
            }
            Ok(two_minutes())
        });
        let worker = || worker(&jobs, &probe);
        let next = |worker: Worker| {
            tokio::task::spawn_blocking(move || {
                worker.next().unwrap().map(|(running, part)| (running.job.id.clone(), part.number))
            })
        };
        assert_eq!(next(worker()).await.unwrap(), Some((other.clone(), 0)));
        let second = next(worker()).await.unwrap();
        assert_eq!(second, Some((other.clone(), 1)));
        let hanging = next(worker());
        tokio::task::spawn_blocking(move || hung.recv_timeout(PATIENCE)).await.unwrap().unwrap();

        // Meanwhile this server is not heard of, but says in time that it is there.
        jobs.catalogue.renew_jobs(jobs.cluster.id(), OVER).await.unwrap();
        tokio::time::timeout(PATIENCE, jobs.renew()).await.expect("the renewal waits for a file").unwrap();
        assert_eq!(jobs.catalogue.take_job("another", OVER, &[]).await.unwrap(), None);
        assert!(jobs.active.all().iter().all(|running| !running.cancel.is_cancelled()));
        // Nor does another worker wait for it.
        let free = tokio::time::timeout(PATIENCE, next(worker())).await.expect("a worker waits for a file");
        assert_eq!(free.unwrap(), None);

        release.send(()).unwrap();
        assert_eq!(hanging.await.unwrap(), Some((stuck, 0)));
    }

    #[test]
    fn a_failure_survives_being_stored_with_its_hint() {
        let failure = JobFailure::new("cut off", "copy it again");
        assert_eq!(JobFailure::from_text(&failure.to_text()), failure);
        assert_eq!(JobFailure::from_text("only this"), JobFailure::new("only this", ""));
    }

    #[test]
    fn a_media_error_is_split_into_what_is_wrong_and_what_to_do() {
        let error = MediaError::Empty { input: "a.mp4".to_owned() };
        let failure = JobFailure::of_media(&error);
        assert_eq!(
            (failure.message.as_str(), failure.hint.as_str()),
            ("a.mp4: the file is empty", "copy it again from the recorder")
        );
    }
}
