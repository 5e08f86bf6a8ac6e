use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use proto::v1::{self, footage_service_client::FootageServiceClient};
use tonic::transport::Channel;
use types::{CameraId, CaptureTime, JobId};

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome, library},
    output::Printer,
    progress::{JobProgress, Progress},
    times::{parse_duration, parse_time},
    view::JobView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Archive {
    /// Add footage files of one camera
    Add(Add),
    /// List the jobs, the newest first
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
    },
    /// Show one job
    Status { job: JobId },
    /// Stop a job; the sightings it stored are removed
    Cancel { job: JobId },
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
    /// Video files, on the server's machine. The video stays where it is: only redacted crops and descriptions are kept
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which camera took them
    #[arg(long)]
    camera: CameraId,
    /// When the first frame was taken, RFC 3339 with zone: 2026-03-01T08:30:00+02:00. Once a file, in their order; once
    /// for several files means that each starts where the one before ends
    #[arg(long = "start", required = true, value_name = "TIME", value_parser = parse_time)]
    starts: Vec<CaptureTime>,
    /// How far off the start may be: 500ms, 5s, 2min
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    uncertainty: Duration,
    /// Frames looked at per second of footage [default: the server's, 5]
    #[arg(long, value_name = "FPS")]
    sample_fps: Option<f64>,
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
        let mut service = ctx.connect(Caller::Operator).await?.footage();
        match self {
            Self::Add(add) => add.run(service, ctx).await?,
            Self::List { state } => {
                let state = state.map_or(v1::JobState::Unspecified, Into::into).into();
                let jobs = service.list_jobs(v1::ListJobsRequest { state }).await?.into_inner().jobs;
                let jobs: Vec<JobView> = jobs.into_iter().map(Into::into).collect();
                printer.answer(&serde_json::json!({ "jobs": jobs }), || JobView::table(&jobs));
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
        }
        Ok(())
    }
}

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
        if self.sample_fps.is_some_and(|fps| !fps.is_finite() || fps <= 0.0) {
            return Err(Failure::usage("--sample-fps must be above 0").hint("5 is the default; 1 is enough for a first pass"));
        }
        let files: Vec<PathBuf> = self
            .files
            .iter()
            .map(std::path::absolute)
            .collect::<Result<_, _>>()
            .map_err(|e| Failure::because("path", "find the file", &e).hint("give the path of a video file"))?;
        let starts = starts(&files, &self.starts)?;
        let (mut added, mut failures) = (Vec::new(), Vec::new());
        for (file, start) in files.iter().zip(&starts) {
            let request = self.request(file, *start)?;
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
            printer.answer(&serde_json::json!({ "jobs": added }), || {
                // What failed is told as an error.
                added.iter().filter(|a| !a.job.is_failed()).map(|a| a.text(self.wait)).collect::<Vec<_>>().join("\n")
            });
        }
        finish(failures, printer)
    }

    fn request(&self, file: &std::path::Path, start: CaptureTime) -> Outcome<v1::AddFootageRequest> {
        let path = file.to_str().ok_or_else(|| {
            Failure::usage(format!("{} is not valid UTF-8", file.display()))
                .hint("rename the file, or link to it under another name")
        })?;
        Ok(v1::AddFootageRequest {
            path: path.to_owned(),
            camera_id: self.camera.to_string(),
            start: Some(proto::timestamp(start)),
            start_uncertainty: Some(proto::duration(self.uncertainty)),
            settings: Some(v1::FootageSettings {
                sample_fps: self.sample_fps.unwrap_or_default(),
                keyframes_only: self.keyframes_only,
                keep_readable: self.keep_readable,
            }),
        })
    }
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

fn job_failure(job: &JobView) -> Failure {
    let mut failure = Failure::new("job_failed", job.error.clone().unwrap_or_else(|| format!("job {} failed", job.id)));
    failure.hint = job.hint.clone();
    failure
}

/// Prints all but the last failure, which `main` prints.
fn finish(mut failures: Vec<Failure>, printer: Printer) -> Outcome {
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in &failures {
        printer.failure(failure);
    }
    Err(last)
}

/// Follows every job to its end, side by side. Ctrl-C stops the watching and leaves the jobs to the server.
async fn wait(service: &FootageServiceClient<Channel>, added: &mut [Added], printer: Printer) -> Outcome {
    let progress = Progress::new(printer);
    let names: Vec<String> = added.iter().map(|a| a.job.id.clone()).collect();
    let watches = added.iter_mut().map(|a| {
        let name =
            std::path::Path::new(&a.job.path).file_name().map_or_else(|| a.job.id.clone(), |f| f.to_string_lossy().into_owned());
        watch(service.clone(), &mut a.job, progress.job(&name))
    });
    tokio::select! {
        done = futures::future::try_join_all(watches) => done.map(|_| ()),
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
