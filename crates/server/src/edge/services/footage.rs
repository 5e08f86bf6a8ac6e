use std::{
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use access::{Action, AuditDetail, Begun, Caller, Matter, Outcome, Permission};
use catalogue::{Job, JobCounts, JobPlace, JobState, NewJob};
use futures::Stream;
use media::MediaError;
use proto::v1::{self, footage_service_server::FootageService};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};
use types::{AgencyId, CameraId, CaptureTime, FootageDigest, JobId, ReceiveTime};

use super::{Api, convert::moment, own::not_yours};
use crate::{
    edge::{
        identity::caller,
        paging::{MOST, Page},
        status::{Fault, status},
    },
    jobs::{
        JobFailure, JobSettings, NO_CLOCK, finished,
        footage_files::{Alive, FootageRoots, digest},
    },
    record::log::sealed,
    recorders::Recording,
};

/// How often a watched job is looked at that may be another server's.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Watchers are told at most this often.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// How well a start is known when nobody says.
const START_UNCERTAINTY: Duration = Duration::from_secs(1);
/// Of one job that are told.
const MOST_GAPS: usize = 1000;
/// Clocks differ a little; a start this far ahead is not in the future.
const CLOCK_SLACK_US: i64 = 5_000_000;

#[tonic::async_trait]
impl FootageService for Api {
    async fn add_footage(&self, request: Request<v1::AddFootageRequest>) -> Result<Response<v1::AddFootageResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let detail = AuditDetail { cameras: CameraId::new(&request.camera_id).into_iter().collect(), ..AuditDetail::default() }
            .seal(sealed(Matter::Path, &request.path));
        let (job, existed) = self
            .0
            .recorded(&caller, Action::AddFootage, None, detail, async |permission| {
                let camera = CameraId::new(&request.camera_id).map_err(proto::BadMessage::from)?;
                let camera = self.0.catalogue().camera(&camera).await?;
                if permission == Permission::Own && !caller.is_of(&camera.agency) {
                    return Err(not_yours(&camera.agency).into());
                }
                let start = start(&request)?;
                let settings = self.settings(&request)?;
                let path = PathBuf::from(&request.path);
                if !path.is_absolute() {
                    let message = format!("{} is not an absolute path", path.display());
                    return Err(Fault::invalid("path", message, "give the whole path on the server's machine"));
                }
                let (roots, agency) = (self.0.jobs.roots.clone(), camera.agency);
                // An owner has what the server's configuration gives the agency, and nothing else of the machine.
                if permission == Permission::Own && !roots.has(&agency) {
                    return Err(no_file(&path));
                }
                let stated = settings.stated_fps.is_some();
                let footage = self.0.jobs.files.run(move |alive| inspect(&roots, &agency, &path, stated, alive)).await?;
                let new = NewJob { camera: camera.id, footage, path: request.path, start, settings: settings.to_text() };
                Ok(self.0.jobs.add(&new).await?)
            })
            .await?;
        Ok(Response::new(v1::AddFootageResponse { job: Some(self.job_message(&job)), existed }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Result<Response<v1::GetJobResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().job_id;
        let job = self.one(&caller, Action::GetJob, &id, async |job| self.with_gaps(&job).await).await?;
        Ok(Response::new(v1::GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Result<Response<v1::ListJobsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (jobs, next_page_token, totals) = self
            .0
            .recorded(&caller, Action::ListJobs, None, AuditDetail::default(), async |permission| {
                let state = v1::JobState::try_from(request.state).map_err(|_| proto::BadMessage::Word {
                    field: "state",
                    kind: "job state",
                    value: request.state,
                })?;
                let page = Page::of("jobs", request.state, request.page_size, MOST, &request.page_token)?;
                // An agency's cameras belong to the organisation of its name.
                let own = (permission == Permission::Own).then(|| caller.organisation.as_str());
                let jobs = self.0.catalogue().jobs_page(state_word(state), own, page.after.as_ref(), page.rows()).await?;
                let totals = match page.after {
                    None => Some(totals(self.0.catalogue().job_counts(own).await?)),
                    Some(_) => None,
                };
                let (jobs, next) = page.cut(jobs, JobPlace::of, |job| Some(self.job_message(&job)));
                Ok((jobs, next, totals))
            })
            .await?;
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token, totals }))
    }

    type WatchJobStream = Pin<Box<dyn Stream<Item = Result<v1::WatchJobResponse, Status>> + Send>>;

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Result<Response<Self::WatchJobStream>, Status> {
        let caller = caller(&request)?;
        let (id, begun) = self.watched(&caller, &request.into_inner().job_id).await?;
        // One slot: a slow watcher skips to the latest, and never holds up the work.
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let api = self.clone();
        self.0.detach(async move {
            let outcome = api.watch(&id, &send).await;
            let end = api.0.gate.complete(begun, outcome, AuditDetail::default(), ReceiveTime::now()).await;
            if let Err(error) = end {
                let _ = send.send(Err(status(Action::WatchJob, error.into()))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Result<Response<v1::CancelJobResponse>, Status> {
        let caller = caller(&request)?;
        let job = self
            .one(&caller, Action::CancelJob, &request.into_inner().job_id, async |job| Ok(self.0.jobs.cancel(&job.id).await?))
            .await?;
        Ok(Response::new(v1::CancelJobResponse { job: Some(self.job_message(&job)) }))
    }

    async fn retry_job(&self, request: Request<v1::RetryJobRequest>) -> Result<Response<v1::RetryJobResponse>, Status> {
        let caller = caller(&request)?;
        let job = self
            .one(&caller, Action::RetryJob, &request.into_inner().job_id, async |job| Ok(self.0.jobs.retry(&job).await?))
            .await?;
        Ok(Response::new(v1::RetryJobResponse { job: Some(self.job_message(&job)) }))
    }

    async fn remove_footage(
        &self,
        request: Request<v1::RemoveFootageRequest>,
    ) -> Result<Response<v1::RemoveFootageResponse>, Status> {
        let caller = caller(&request)?;
        let work = async |job: Job| {
            crate::copies::upgrade::forget(&self.0.store.data).map_err(crate::store::StoreError::from)?;
            Ok((self.0.jobs.remove(&job, self.0.time.settled().await?).await?, job))
        };
        let (sightings, job) = self.one(&caller, Action::RemoveFootage, &request.into_inner().job_id, work).await?;
        Ok(Response::new(v1::RemoveFootageResponse { job: Some(self.job_message(&job)), sightings }))
    }
}

fn totals(of: JobCounts) -> v1::JobTotals {
    let JobCounts { queued, running, done, failed, cancelled, sightings } = of;
    v1::JobTotals { queued, running, done, failed, cancelled, sightings }
}

impl Api {
    /// Runs a call about one job.
    async fn one<T>(
        &self,
        caller: &Caller,
        action: Action,
        id: &str,
        work: impl AsyncFnOnce(Job) -> Result<T, Fault>,
    ) -> Result<T, Status> {
        let id = JobId::new(id).map_err(|e| status(action, Fault::Message(e.into())))?;
        let detail = AuditDetail { job: Some(id.clone()), ..AuditDetail::default() };
        self.0
            .recorded(caller, action, None, detail, async |permission| {
                let job = self.own_job(caller, permission, &id).await?;
                work(job).await
            })
            .await
    }

    /// Begins to watch a job on the record.
    async fn watched(&self, caller: &Caller, id: &str) -> Result<(JobId, Begun), Status> {
        let action = Action::WatchJob;
        let told = |fault| status(action, fault);
        let id = JobId::new(id).map_err(|e| told(Fault::Message(e.into())))?;
        let detail = AuditDetail { job: Some(id.clone()), ..AuditDetail::default() };
        let gate = &self.0.gate;
        let begun = gate.begin(action, None, detail.clone(), caller, ReceiveTime::now()).await.map_err(|e| told(e.into()))?;
        let fault = match self.own_job(caller, begun.permission, &id).await {
            Ok(_) => return Ok((id, begun)),
            Err(Fault::Denied(denial)) => gate.deny(action, None, detail, caller, denial, ReceiveTime::now()).await.into(),
            Err(fault) => fault,
        };
        let end = gate.complete(begun, Outcome::Failed, AuditDetail::default(), ReceiveTime::now()).await;
        end.map_err(|e| told(e.into()))?;
        Err(told(fault))
    }

    /// Tells of a job until it is over; how the watching ended.
    async fn watch(&self, id: &JobId, send: &tokio::sync::mpsc::Sender<Result<v1::WatchJobResponse, Status>>) -> Outcome {
        let mut changes = self.0.jobs.watch();
        let mut told = None;
        loop {
            changes.mark_unchanged();
            let job = match self.0.catalogue().job(id).await {
                Ok(job) => job,
                Err(error) => {
                    let _ = send.send(Err(status(Action::WatchJob, error.into()))).await;
                    return Outcome::Failed;
                }
            };
            let (message, over) = match self.with_gaps(&job).await {
                Ok(message) => (message, job.state.is_final()),
                Err(fault) => {
                    let _ = send.send(Err(status(Action::WatchJob, fault))).await;
                    return Outcome::Failed;
                }
            };
            if told.as_ref() != Some(&message) {
                told = Some(message.clone());
                if send.send(Ok(v1::WatchJobResponse { job: Some(message) })).await.is_err() {
                    return Outcome::Cancelled;
                }
            }
            if over {
                return Outcome::Done;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Outcome::Cancelled },
                () = send.closed() => return Outcome::Cancelled,
                // Another server may be at it.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.0.stop.cancelled() => {
                    let hint = "the job goes on when it is back; watch it again then";
                    let _ = send.send(Err(proto::status(Code::Unavailable, "the server stops", "stopping", hint))).await;
                    return Outcome::Cancelled;
                }
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    /// Camera owners have only their own cameras' jobs.
    async fn own_job(&self, caller: &Caller, permission: Permission, id: &JobId) -> Result<Job, Fault> {
        let job = self.0.catalogue().job(id).await?;
        if permission == Permission::Own {
            let camera = self.0.catalogue().camera(&job.spec.camera).await?;
            if !caller.is_of(&camera.agency) {
                return Err(not_yours(&camera.agency).into());
            }
        }
        Ok(job)
    }

    /// With where its recorder had nothing.
    pub(super) async fn with_gaps(&self, job: &Job) -> Result<v1::Job, Fault> {
        let mut message = self.job_message(job);
        if !message.recorder_id.is_empty() {
            message.gaps = self.0.catalogue().gaps(&job.id).await?.into_iter().take(MOST_GAPS).map(Into::into).collect();
        }
        Ok(message)
    }

    fn settings(&self, request: &v1::AddFootageRequest) -> Result<JobSettings, Fault> {
        self.settings_of(request.settings, request.start_uncertainty)
    }

    pub(super) fn settings_of(
        &self,
        given: Option<v1::FootageSettings>,
        uncertainty: Option<prost_types::Duration>,
    ) -> Result<JobSettings, Fault> {
        let given = given.unwrap_or_default();
        let sample_fps = if given.sample_fps == 0.0 { self.0.config.sample_fps } else { given.sample_fps };
        if !(0.1..=60.0).contains(&sample_fps) {
            return Err(Fault::invalid(
                "sample_fps",
                format!("{sample_fps} frames a second can't be looked at"),
                "ask for 0.1 to 60",
            ));
        }
        let stated_fps = Some(given.stated_fps).filter(|fps| *fps != 0.0);
        if stated_fps.is_some_and(|fps| !(0.01..=240.0).contains(&fps)) {
            let message = format!("no footage has {} pictures a second", given.stated_fps);
            return Err(Fault::invalid("stated_fps", message, "state 0.01 to 240, as the recorder was set"));
        }
        let uncertainty = proto::duration_from("start_uncertainty", uncertainty)?.unwrap_or(START_UNCERTAINTY);
        Ok(JobSettings {
            sample_fps,
            keyframes_only: given.keyframes_only,
            keep_readable: given.keep_readable,
            start_uncertainty_us: u64::try_from(uncertainty.as_micros()).unwrap_or(u64::MAX),
            // How far a damaged file can be read, only reading it from its beginning shows.
            length_us: None,
            segment_s: if given.keep_readable { 0 } else { self.0.config.segment_seconds },
            stated_fps,
        })
    }

    pub(super) fn job_message(&self, job: &Job) -> v1::Job {
        let known = self.0.jobs.live(&job.id);
        let waits = known.as_ref().and_then(|live| live.waits.clone()).filter(|_| job.state == JobState::Queued);
        let live = known.and_then(|l| l.progress);
        let settings = JobSettings::from_text(&job.spec.settings);
        let failure = match &job.state {
            JobState::Failed(text) | JobState::Damaged(text) => Some(JobFailure::from_text(text)),
            _ => waits,
        };
        let recording = Recording::of_path(&job.spec.path);
        let kept = job.progress;
        let progress = v1::JobProgress {
            done: Some(proto::duration(live.map_or(kept.done, |l| l.done))),
            total: live.map_or(kept.total, |l| l.total).map(proto::duration),
            elapsed: live.map(|l| proto::duration(l.elapsed)),
            speed: live.map(|l| l.speed()).unwrap_or_default(),
            time_left: live.and_then(|l| l.time_left()).map(proto::duration),
            frames: live.map(|l| l.stats.frames).unwrap_or_default(),
            detections: live.map(|l| l.stats.detections).unwrap_or_default(),
            sightings: live.map_or(kept.sightings, |l| l.stats.sightings),
            crops_refused: live.map(|l| l.stats.crops_refused).unwrap_or_default(),
        };
        v1::Job {
            id: job.id.to_string(),
            camera_id: job.spec.camera.to_string(),
            path: recording.as_ref().map_or_else(|| job.spec.path.clone(), |recording| recording.token.clone()),
            recorder_id: recording.map(|recording| recording.recorder.to_string()).unwrap_or_default(),
            // Of one job that was asked for by itself: see `with_gaps`.
            gaps: Vec::new(),
            footage_sha256: job.spec.footage.to_string(),
            start: Some(proto::timestamp(job.spec.start)),
            start_uncertainty: settings.map(|s| proto::duration(s.start_uncertainty())),
            settings: settings.map(|s| v1::FootageSettings {
                sample_fps: s.sample_fps,
                keyframes_only: s.keyframes_only,
                keep_readable: s.keep_readable,
                stated_fps: s.stated_fps.unwrap_or_default(),
            }),
            state: state_message(&job.state).into(),
            progress: Some(progress),
            error: failure.as_ref().map(|f| f.message.clone()).unwrap_or_default(),
            hint: failure.map(|f| f.hint).unwrap_or_default(),
            created: moment(job.created),
            finished: finished(job).and_then(moment),
        }
    }
}

/// As the catalogue has it; `None`: every state.
fn state_word(state: v1::JobState) -> Option<&'static str> {
    match state {
        v1::JobState::Unspecified => None,
        v1::JobState::Queued => Some("queued"),
        v1::JobState::Running => Some("running"),
        v1::JobState::Done => Some("done"),
        v1::JobState::Failed => Some("failed"),
        v1::JobState::Cancelled => Some("cancelled"),
    }
}

fn state_message(state: &JobState) -> v1::JobState {
    match state {
        JobState::Queued => v1::JobState::Queued,
        JobState::Running => v1::JobState::Running,
        JobState::Done | JobState::Damaged(_) => v1::JobState::Done,
        JobState::Failed(_) => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

fn start(request: &v1::AddFootageRequest) -> Result<CaptureTime, Fault> {
    let start = proto::capture_time("start", request.start)?;
    if start.as_micros() > ReceiveTime::now().as_micros() + CLOCK_SLACK_US {
        let message = format!("the footage can't start at {start}: that is in the future");
        return Err(Fault::invalid("start_in_future", message, "give the time of its first frame, with its zone"));
    }
    Ok(start)
}

/// The file's digest, if it is footage at all. What only reading it to the end can tell is the job's to say.
/// `stated`: how many pictures a second it has where it has no clock.
fn inspect(roots: &FootageRoots, agency: &AgencyId, path: &Path, stated: bool, alive: &Alive) -> Result<FootageDigest, Fault> {
    let footage = roots.open(agency, path).map_err(|_| no_file(path))?;
    alive.tick();
    match media::probe_footage(&footage) {
        Ok(info) if info.clockless && !stated => {
            let message = JobFailure::without_a_clock(path).message;
            return Err(Fault::Caller { code: Code::InvalidArgument, reason: "no_clock", message, hint: NO_CLOCK });
        }
        Ok(_) => {}
        Err(error) => refuse(&error)?,
    }
    alive.tick();
    digest(&footage, alive).map_err(|e| match e {
        MediaError::Changed { .. } => Fault::Caller {
            code: Code::FailedPrecondition,
            reason: "file_changed",
            message: JobFailure::of_media(&e).message,
            hint: "add it when nobody writes to it any more",
        },
        _ => no_file(path),
    })
}

/// The one answer for what is not there, may not be read, lies outside, or is no file: it tells nothing about other files.
fn no_file(path: &Path) -> Fault {
    Fault::missing(
        "file_missing",
        format!("{}: there is no such file on the server's machine that may be added for this camera", path.display()),
        "check that it is a video file, that the server's account may read it, and footage.roots of the configuration",
    )
}

/// Whether there is no use in queueing the file.
fn refuse(error: &MediaError) -> Result<(), Fault> {
    let failure = JobFailure::of_media(error);
    let refused = |code, reason, hint| Err(Fault::Caller { code, reason, message: failure.message.clone(), hint });
    match error {
        MediaError::Missing { .. } | MediaError::Unreadable { .. } => {
            refused(Code::NotFound, "file_missing", "check that it is a file and that the server may read it")
        }
        MediaError::Empty { .. } => refused(Code::InvalidArgument, "file_empty", "copy it again from the recorder"),
        MediaError::NotMedia { .. } => {
            refused(Code::InvalidArgument, "not_footage", "give a video file, whatever its name ends in")
        }
        MediaError::NoVideo { .. } => refused(Code::InvalidArgument, "no_video", "export it again with its video"),
        MediaError::Unsupported { .. } => {
            refused(Code::InvalidArgument, "unsupported", "install the GStreamer plugin for it or convert the footage to H.264")
        }
        _ => Ok(()),
    }
}
