use std::{fmt, fs, path::PathBuf, time::Instant};

use clap::Args;
use media::Sampling;
use pipeline::{AttentionOptions, FootageTask, NewSighting, SceneOptions, SightingSink, SinkError, run_footage};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, FootageDigest};
use vision::VisionOptions;

use super::{
    error::{EvalError, Outcome, failed, footage},
    input::no_time,
    models::load_vision,
};

#[derive(Debug, Args)]
pub struct Speed {
    #[arg(required = true, value_name = "VIDEO")]
    videos: Vec<PathBuf>,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
    /// Look at every frame whole, whether something moves or not
    #[arg(long)]
    every_frame: bool,
    /// Another detector of the manifest
    #[arg(long, value_name = "MODEL")]
    detector: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    frames: u64,
    footage_s: f64,
    wall_s: f64,
    /// User and system time of the whole process, decoding included, without loading the models.
    cpu_s: f64,
    sightings: u64,
    peak_mib: f64,
}

/// Encodes each crop as the store would get it, and keeps nothing.
struct Discard;

impl SightingSink for Discard {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        for new in batch {
            std::hint::black_box(new.crop.encode());
        }
        Ok(())
    }
}

impl Speed {
    pub(super) fn run(&self) -> Outcome<Answer> {
        let mut vision = load_vision(&VisionOptions { detector: self.detector.clone(), ..VisionOptions::default() })?;
        let mut answer = Answer { frames: 0, footage_s: 0.0, wall_s: 0.0, cpu_s: 0.0, sightings: 0, peak_mib: 0.0 };
        let (began, cpu) = (Instant::now(), cpu_seconds()?);
        for video in &self.videos {
            let task = FootageTask {
                footage: media::Footage::open(video).map_err(footage)?.into(),
                camera: CameraId::new("eval").map_err(failed)?,
                agency: AgencyId::new("eval").map_err(failed)?,
                digest: FootageDigest([0; 32]),
                start: no_time(),
                sampling: Sampling { fps: self.fps, ..Sampling::default() },
                keep_readable: false,
                scene: SceneOptions {
                    attention: AttentionOptions { gate: !self.every_frame, ..AttentionOptions::default() },
                    ..SceneOptions::default()
                },
            };
            let done = run_footage(&task, &mut vision, &mut Discard, &mut |_| (), &CancellationToken::new())
                .map_err(|e| EvalError::library("footage", e))?;
            answer.frames += done.progress.stats.frames;
            answer.sightings += done.progress.stats.sightings;
            answer.footage_s += done.progress.done.as_secs_f64();
        }
        answer.wall_s = began.elapsed().as_secs_f64();
        answer.cpu_s = cpu_seconds()? - cpu;
        answer.peak_mib = peak_mib()?;
        Ok(answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, footage_s, wall_s, cpu_s, sightings, peak_mib } = self;
        let each = cpu_s * 1e3 / (*frames).max(1) as f64;
        write!(f, "{frames} frames of {footage_s:.1} s footage in {wall_s:.1} s ({cpu_s:.1} s CPU, {each:.1} ms a frame), ")?;
        write!(f, "{sightings} sightings, at most {peak_mib:.0} MiB")
    }
}

/// User and system time of this process so far, by the kernel's clock of 100 ticks a second.
fn cpu_seconds() -> Outcome<f64> {
    let stat = proc("stat")?;
    // After the command's name in parentheses: utime and stime are the 12th and 13th field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err(EvalError::new("evaluation", "this system does not tell a process its CPU time")),
    }
}

fn peak_mib() -> Outcome<f64> {
    let status = proc("status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok())
        .map(|kib| kib / 1024.0)
        .ok_or_else(|| EvalError::new("evaluation", "this system does not tell a process its peak memory"))
}

fn proc(file: &str) -> Outcome<String> {
    fs::read_to_string(format!("/proc/self/{file}"))
        .map_err(|e| EvalError::because("evaluation", format!("read /proc/self/{file}"), e))
}
