mod files;
#[cfg(test)]
mod fuzzing;
mod layouts;
mod pattern;
mod preview;
mod pulled;
mod start;
mod zone;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::v1::{self, footage_service_client::FootageServiceClient};
use server::Config;
use tonic::transport::Channel;
use types::{CameraId, CaptureTime, JobId};

use self::{
    files::{CameraPattern, Found, Skipped, expand},
    layouts::Recorder,
    pattern::NamePattern,
    preview::Preview,
    pulled::Pulled,
    start::{Dated, Start, parse_start},
    zone::Zone,
};
use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome, library},
    output::{Printer, count, plain, table},
    pages::{self, Listed, Shown},
    progress::{JobProgress, Progress},
    times::parse_duration,
    view::{JobView, TotalsView},
};

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one a process")]
pub(crate) enum Archive {
    /// Add footage: files, folders, or patterns of names
    Add(Add),
    /// List the jobs, the newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Show one job
    Status { job: JobId },
    /// Stop a job; the sightings it stored are removed
    Cancel { job: JobId },
    /// Queue a job again that failed or was cancelled
    Retry { job: JobId },
    /// Remove a job that has ended and every sighting that came from it: its footage can be added again, with the right start
    Remove { job: JobId },
    /// Say file by file what came out of it, what failed and why, and how many there are in all
    Report {
        /// Only those in this state; the totals are of all
        #[arg(long, value_enum)]
        state: Option<State>,
        /// At most so many, the newest first; 0: all of them
        #[arg(long, value_name = "N", default_value_t = 0)]
        limit: u32,
    },
    /// List the recorders whose names of files are known, for `archive add --from-recorder`
    Layouts,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl From<State> for v1::JobState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Done => Self::Done,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Video files, folders of them, or patterns such as '/archive/*.mp4', on the server's machine. The video stays where it
    /// is: only redacted crops and descriptions are kept
    #[arg(required_unless_present = "recorder", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pulled: Pulled,
    /// Which camera took them [default with --recorder: every one that has a recording there]
    #[arg(long, required_unless_present_any = ["camera_pattern", "start_pattern", "from_recorder", "recorder"], conflicts_with = "camera_pattern")]
    camera: Option<CameraId>,
    /// Where in a file's name (or its path, with a slash) the camera's id stands: '{camera}_' or '/archive/{camera}/'
    #[arg(long, value_name = "PATTERN")]
    camera_pattern: Option<CameraPattern>,
    /// When the first frame was taken, RFC 3339 with zone: 2026-03-01T08:30:00+02:00. Once a file, in their order; once
    /// for several files means that each starts where the one before ends. `metadata`: what the recorder wrote into each file
    #[arg(long = "start", required_unless_present_any = ["start_pattern", "from_recorder", "recorder"], conflicts_with_all = ["start_pattern", "from_recorder"], value_name = "TIME", value_parser = parse_start)]
    starts: Vec<Start>,
    /// Where the time stands in the file's name, in the manner of strptime: '%Y%m%d_%H%M%S'. With a slash in the whole path:
    /// '%Y-%m-%d/%H/{camera}/%M.%S'. `*` is anything, `**` with slashes too, {camera} the camera, {end:%H%M%S} when it ends
    #[arg(long, value_name = "PATTERN", conflicts_with = "from_recorder")]
    start_pattern: Option<NamePattern>,
    /// The recorder that named them; `sightline archive layouts` lists what is known
    #[arg(long, value_enum, value_name = "NAME")]
    from_recorder: Option<Recorder>,
    /// The time zone of times in names, unless they say it: Europe/Berlin, or an offset such as +02:00. With --start metadata: of a
    /// recorder that writes its local time and calls it UTC [default: the camera's own; of metadata UTC]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    zone: Option<Zone>,
    /// Show what would be added, with times, overlaps and gaps, and add nothing
    #[arg(long, conflicts_with = "wait")]
    preview: bool,
    /// How far off the start may be: 500ms, 5s, 2min [default: 1s; 1min with --start metadata; with --recorder how far its clock is
    /// off now, at least 1s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    uncertainty: Option<Duration>,
    /// Frames looked at per second of footage [default: the server's, 5]
    #[arg(long, value_name = "FPS")]
    sample_fps: Option<f64>,
    /// Pictures a second of files that have no clock (.h264, .h265, .mjpeg), as the recorder was set; without it they are refused.
    /// Files with a clock go by their own
    #[arg(long, value_name = "FPS")]
    fps: Option<f64>,
    /// Look at key frames alone: a fast first pass
    #[arg(long)]
    keyframes_only: bool,
    /// Keep the sightings of the readable part when the file is damaged; otherwise such a job keeps none
    #[arg(long)]
    keep_readable: bool,
    /// Wait until the jobs have ended, and show how far they are
    #[arg(long)]
    wait: bool,
}

impl Archive {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let printer = ctx.printer;
        if matches!(self, Self::Layouts) {
            let all = Recorder::all();
            printer.answer(&serde_json::json!({ "layouts": all }), || {
                let row = |l: &layouts::Layout| {
                    let zone = if l.utc { "UTC" } else { "local" };
                    [l.name.to_owned(), zone.to_owned(), l.pattern.to_owned(), l.example.to_owned()]
                };
                table(["RECORDER", "TIMES", "PATTERN", "EXAMPLE"], &all.iter().map(row).collect::<Vec<_>>())
            });
            return Ok(());
        }
        let mut service = ctx.connect(Caller::Operator).await?.footage();
        match self {
            Self::Layouts => {}
            Self::Add(add) => add.run(service, ctx).await?,
            Self::List { state, shown } => {
                let state = state.map_or(v1::JobState::Unspecified, Into::into);
                let (jobs, totals) = list(&mut service, state, shown.limit).await?;
                let json = serde_json::json!({ "jobs": jobs.rows, "more": jobs.more, "totals": totals });
                printer.answer(&json, || JobView::table(&jobs.rows));
                jobs.note(ctx);
            }
            Self::Status { job } => {
                let request = v1::GetJobRequest { job_id: job.to_string() };
                let job: JobView = service.get_job(request).await?.into_inner().job.unwrap_or_default().into();
                printer.answer(&job, || job.text());
            }
            Self::Cancel { job } => {
                let request = v1::CancelJobRequest { job_id: job.to_string() };
                let job: JobView = service.cancel_job(request).await?.into_inner().job.unwrap_or_default().into();
                printer.answer(&job, || format!("cancelled job {}; the sightings it had stored are removed", job.id));
            }
            Self::Retry { job } => {
                let request = v1::RetryJobRequest { job_id: job.to_string() };
                let job: JobView = service.retry_job(request).await?.into_inner().job.unwrap_or_default().into();
                printer.answer(&job, || format!("queued job {} again\nwatch it: sightline archive status {}", job.id, job.id));
            }
            Self::Remove { job } => {
                let request = v1::RemoveFootageRequest { job_id: job.to_string() };
                let answer = service.remove_footage(request).await?.into_inner();
                let job: JobView = answer.job.unwrap_or_default().into();
                let removed = serde_json::json!({ "removed": job, "sightings_removed": answer.sightings });
                printer.answer(&removed, || format!("removed job {} and {} of it", job.id, count(answer.sightings, "sighting")));
            }
            Self::Report { state, limit } => {
                let state = state.map_or(v1::JobState::Unspecified, Into::into);
                let (jobs, totals) = list(&mut service, state, limit).await?;
                let json = serde_json::json!({ "jobs": jobs.rows, "more": jobs.more, "totals": totals });
                printer.answer(&json, || JobView::report(&jobs.rows, &totals));
                jobs.note(ctx);
            }
        }
        Ok(())
    }
}

/// So many jobs, and how many there are in all, whatever is shown of them.
async fn list(
    service: &mut FootageServiceClient<Channel>,
    state: v1::JobState,
    limit: u32,
) -> Outcome<(Listed<JobView>, TotalsView)> {
    let mut totals = None;
    let jobs = pages::read(limit, async |page_size, page_token| {
        let request = v1::ListJobsRequest { state: state.into(), page_size, page_token };
        let page = service.list_jobs(request).await?.into_inner();
        totals = totals.take().or(page.totals);
        Ok((page.jobs, page.next_page_token))
    });
    let jobs = jobs.await?.into();
    Ok((jobs, totals.unwrap_or_default().into()))
}

/// How well a start is known that somebody gives.
const UNCERTAINTY: Duration = Duration::from_secs(1);

/// A file the server took.
#[derive(Debug, serde::Serialize)]
struct Added {
    #[serde(flatten)]
    job: JobView,
    /// The same footage was there already; nothing was added.
    existed: bool,
}

impl Add {
    async fn run(self, mut service: FootageServiceClient<Channel>, ctx: &Context) -> Outcome {
        let printer = ctx.printer;
        if let Some(wanted) = self.pulled.wanted() {
            let settings = v1::FootageSettings {
                sample_fps: self.sample_fps.unwrap_or_default(),
                keyframes_only: self.keyframes_only,
                keep_readable: false,
                stated_fps: 0.0,
            };
            let added = wanted.add(ctx, self.camera.as_ref(), self.uncertainty, settings).await?;
            let added = added.into_iter().map(|a| Added { job: a.job.unwrap_or_default().into(), existed: a.existed });
            return told(&service, added.collect(), self.wait, printer).await;
        }
        if self.sample_fps.is_some_and(|fps| !fps.is_finite() || fps <= 0.0) {
            return Err(Failure::usage("--sample-fps must be above 0").hint("5 is the default; 1 is enough for a first pass"));
        }
        if self.fps.is_some_and(|fps| !(0.01..=240.0).contains(&fps)) {
            return Err(Failure::usage("--fps must be 0.01 to 240").hint("state the rate that the recorder was set to"));
        }
        let Found { files, skipped } = expand(&self.files)?;
        tell_skipped(&skipped, printer);
        // Files are looked at here for their times, by decoders as the server has them.
        if Config::load(&ctx.home.layout().config()).is_ok_and(|config| !config.sandbox) {
            media::sandbox_off();
        }
        let dated = self.dated(ctx, &files).await?;
        if self.preview {
            let length = |file: &Path| media::probe(file).ok()?.duration;
            let preview = Preview::of(files.iter().map(PathBuf::as_path).zip(dated), length);
            printer.answer(&preview, || preview.text());
            return Ok(());
        }
        if self.starts == [Start::Metadata] && self.zone.is_none() {
            printer.note("the times in the files are taken as UTC, as their standards say; if the recorder wrote its local time, give --zone");
        }
        let (mut wanted, mut failures) = (Vec::new(), Vec::new());
        for (file, dated) in files.iter().zip(dated) {
            // The other files are still worth adding.
            match dated.and_then(|dated| self.request(file, &dated)) {
                Ok(request) => wanted.push(request),
                Err(failure) => failures.push(failure),
            }
        }
        let mut added = Vec::new();
        for request in wanted {
            match service.add_footage(request).await {
                Ok(response) => {
                    let response = response.into_inner();
                    added.push(Added { job: response.job.unwrap_or_default().into(), existed: response.existed });
                }
                // The other files are still worth adding.
                Err(status) => failures.push(Failure::from(status)),
            }
        }
        if self.wait {
            wait(&service, &mut added, printer).await?;
        }
        for a in added.iter().filter(|a| a.job.is_failed()) {
            failures.push(job_failure(&a.job));
        }
        if !added.is_empty() || failures.is_empty() {
            printer.answer(&serde_json::json!({ "jobs": added, "left_out": skipped }), || {
                // What failed is told as an error.
                added.iter().filter(|a| !a.job.is_failed()).map(|a| a.text(self.wait)).collect::<Vec<_>>().join("\n")
            });
        }
        finish(failures, printer)
    }

    /// Camera and start of each file, or why they are not known.
    async fn dated(&self, ctx: &Context, files: &[PathBuf]) -> Outcome<Vec<Outcome<Dated>>> {
        let given = |file: &Path| match (&self.camera, &self.camera_pattern) {
            (Some(camera), _) => Some(Ok(camera.clone())),
            (None, Some(pattern)) => Some(pattern.camera(file)),
            (None, None) => None,
        };
        let pattern = match (&self.start_pattern, self.from_recorder) {
            (Some(pattern), _) => Some(pattern.clone()),
            (None, Some(recorder)) => recorder.pattern(),
            (None, None) => None,
        };
        if let Some(pattern) = pattern {
            if self.camera.is_none() && self.camera_pattern.is_none() && !pattern.names_camera() {
                return Err(
                    Failure::usage("no camera is named").hint("give --camera, --camera-pattern, or {camera} in --start-pattern")
                );
            }
            let zone = self.zone.or_else(|| self.from_recorder.and_then(Recorder::zone));
            let zones = if zone.is_none() { zones(ctx).await? } else { BTreeMap::new() };
            let told = |file: &Path| match self.from_recorder {
                Some(recorder) => recorder.read(file),
                None => pattern.read(file),
            };
            return Ok(start::of_names(files, told, given, zone, &zones));
        }
        let starts = self.starts(files)?;
        let dated = |(file, start): (&PathBuf, Outcome<CaptureTime>)| {
            let none = || Failure::usage("no camera is named").hint("give --camera or --camera-pattern");
            Ok(Dated { camera: given(file).ok_or_else(none)??, start: start?, end: None })
        };
        Ok(files.iter().zip(starts).map(dated).collect())
    }

    /// The start of each file, or why it is not known.
    fn starts(&self, files: &[PathBuf]) -> Outcome<Vec<Outcome<CaptureTime>>> {
        if self.starts == [Start::Metadata] {
            return Ok(files.iter().map(|file| start::of_metadata(file, self.zone)).collect());
        }
        if self.zone.is_some() {
            return Err(Failure::usage("--zone is for times in names, or for --start metadata").hint("--start has its own zone"));
        }
        let times: Vec<CaptureTime> = self
            .starts
            .iter()
            .map(|start| match start {
                Start::At(time) => Ok(*time),
                Start::Metadata => Err(Failure::usage("--start metadata stands for all files").hint("give it alone, once")),
            })
            .collect::<Outcome<_>>()?;
        if self.camera_pattern.is_some() && times.len() != files.len() {
            return Err(Failure::usage("files of several cameras do not follow each other")
                .hint("give --start once a file, or --start-pattern, or --start metadata"));
        }
        Ok(starts(files, &times)?.into_iter().map(Ok).collect())
    }

    fn uncertainty(&self) -> Duration {
        let usual = if self.starts == [Start::Metadata] { start::METADATA_UNCERTAINTY } else { UNCERTAINTY };
        self.uncertainty.unwrap_or(usual)
    }

    fn request(&self, file: &Path, dated: &Dated) -> Outcome<v1::AddFootageRequest> {
        let path = file.to_str().ok_or_else(|| {
            Failure::usage(format!("{} is not valid UTF-8", file.display()))
                .hint("rename the file, or link to it under another name")
        })?;
        Ok(v1::AddFootageRequest {
            path: path.to_owned(),
            camera_id: dated.camera.to_string(),
            start: Some(proto::timestamp(dated.start)),
            start_uncertainty: Some(proto::duration(self.uncertainty())),
            settings: Some(v1::FootageSettings {
                sample_fps: self.sample_fps.unwrap_or_default(),
                keyframes_only: self.keyframes_only,
                keep_readable: self.keep_readable,
                stated_fps: self.fps.unwrap_or_default(),
            }),
        })
    }
}

/// The zones of the cameras that have one.
async fn zones(ctx: &Context) -> Outcome<BTreeMap<CameraId, Zone>> {
    let mut service = ctx.connect(Caller::Operator).await?.cameras();
    let cameras = super::camera::list(&mut service, "", 0).await?.rows;
    let zone = |camera: proto::v1::Camera| Some((CameraId::new(&camera.id).ok()?, camera.zone.parse().ok()?));
    Ok(cameras.into_iter().filter(|camera| !camera.zone.is_empty()).filter_map(zone).collect())
}

impl Added {
    fn text(&self, waited: bool) -> String {
        match (self.existed, waited) {
            (true, _) if self.job.state == "done" => {
                format!("{} was added before as job {}: nothing added\n{}", self.job.path, self.job.id, self.job.text())
            }
            (_, true) => self.job.text(),
            _ => format!("job {} reads {}\nwatch it: sightline archive status {}", self.job.id, self.job.path, self.job.id),
        }
    }
}

/// The start of each file: as given, or one after the other.
fn starts(files: &[PathBuf], given: &[CaptureTime]) -> Outcome<Vec<CaptureTime>> {
    if given.len() == files.len() {
        return Ok(given.to_vec());
    }
    let [first] = given else {
        return Err(Failure::usage(format!("{} files but {} starts", files.len(), given.len()))
            .hint("give --start once a file, in their order, or once when they follow each other"));
    };
    let mut starts = vec![*first];
    for file in &files[..files.len() - 1] {
        let length = length(file)?;
        let last = starts[starts.len() - 1];
        starts.push(last.plus_micros(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)));
    }
    Ok(starts)
}

/// What came of jobs that were added, once they have ended if somebody waits for that.
async fn told(service: &FootageServiceClient<Channel>, mut added: Vec<Added>, waits: bool, printer: Printer) -> Outcome {
    if waits {
        wait(service, &mut added, printer).await?;
    }
    let failures = added.iter().filter(|a| a.job.is_failed()).map(|a| job_failure(&a.job)).collect();
    printer.answer(&serde_json::json!({ "jobs": added }), || {
        // What failed is told as an error.
        added.iter().filter(|a| !a.job.is_failed()).map(|a| a.text(waits)).collect::<Vec<_>>().join("\n")
    });
    finish(failures, printer)
}

fn job_failure(job: &JobView) -> Failure {
    let mut failure = Failure::new("job_failed", job.error.clone().unwrap_or_else(|| format!("job {} failed", job.id)));
    failure.hint = job.hint.clone();
    failure
}

/// How many are named one by one for each reason.
const NAMED: usize = 20;

/// What lies there and is not taken, by the reason.
fn tell_skipped(skipped: &[Skipped], printer: Printer) {
    let mut reasons: BTreeMap<&str, Vec<&Skipped>> = BTreeMap::new();
    for one in skipped {
        reasons.entry(one.why).or_default().push(one);
    }
    for (why, all) in reasons {
        let names: Vec<String> = all.iter().take(NAMED).map(|one| format!("  {}", plain(&one.path.to_string_lossy()))).collect();
        let more = if all.len() > NAMED { format!("\n  and {} more", all.len() - NAMED) } else { String::new() };
        printer.note(&format!("{} left out ({why}):\n{}{more}", count(all.len() as u64, "file"), names.join("\n")));
    }
}

/// Prints all but the last failure, which `main` prints.
fn finish(mut failures: Vec<Failure>, printer: Printer) -> Outcome {
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in &failures {
        printer.failure(failure);
    }
    Err(last)
}

/// Jobs that are followed at once. The server takes them in the order in which they were added: those behind them wait.
const FOLLOWED: usize = 16;

/// Follows every job to its end, some side by side. Ctrl-C stops the watching and leaves the jobs to the server.
async fn wait(service: &FootageServiceClient<Channel>, added: &mut [Added], printer: Printer) -> Outcome {
    let progress = Progress::new(printer);
    let names: Vec<String> = added.iter().map(|a| a.job.id.clone()).collect();
    let progress = &progress;
    let watches = added.iter_mut().map(|a| async move {
        let name =
            std::path::Path::new(&a.job.path).file_name().map_or_else(|| a.job.id.clone(), |f| f.to_string_lossy().into_owned());
        watch(service.clone(), &mut a.job, progress.job(&name)).await
    });
    let all = futures::stream::iter(watches).buffer_unordered(FOLLOWED).try_for_each(|()| futures::future::ready(Ok(())));
    tokio::select! {
        done = all => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted", "stopped watching; the server goes on with the work")
            .hint(format!("see how far it is: sightline archive status {}", names.join(" ")))),
    }
}

async fn watch(mut service: FootageServiceClient<Channel>, job: &mut JobView, mut progress: JobProgress) -> Outcome {
    let mut updates = service.watch_job(v1::WatchJobRequest { job_id: job.id.clone() }).await?.into_inner();
    loop {
        match updates.message().await {
            Ok(Some(update)) => {
                *job = update.job.unwrap_or_default().into();
                progress.update(job);
            }
            Ok(None) => {
                progress.finish(job);
                return Ok(());
            }
            Err(status) => {
                progress.abandon();
                return Err(status.into());
            }
        }
    }
}

/// How long a file lasts, for the start of the one after it.
fn length(file: &std::path::Path) -> Outcome<Duration> {
    let info = media::probe(file).map_err(|e| library("unreadable", &e).hint("give --start once a file, in their order"))?;
    info.duration.ok_or_else(|| {
        Failure::usage(format!("{} does not say how long it is", file.display())).hint("give --start once a file, in their order")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::parse_time;

    #[test]
    fn starts_are_given_once_a_file_or_once_for_files_that_follow_each_other() {
        let at = |text: &str| parse_time(text).unwrap();
        let (a, b) = (at("2026-03-01T08:00:00Z"), at("2026-03-01T09:00:00Z"));
        let files = ["a", "b"].map(PathBuf::from);
        assert_eq!(starts(&files, &[a, b]).unwrap(), [a, b]);
        assert_eq!(starts(&files[..1], &[a]).unwrap(), [a]);
        assert_eq!(starts(&files[..1], &[a, b]).unwrap_err().message, "1 files but 2 starts");
        // Files that are not there can't be measured.
        assert!(starts(&files, &[a]).is_err());
    }
}
