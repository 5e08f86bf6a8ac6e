use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use media::Sampling;
use pipeline::{FootageTask, NewSighting, SceneOptions, SightingSink, SinkError, run_footage};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use types::{AgencyId, CameraId, FootageDigest, TimeStamp};
use vision::{Vision, VisionOptions};

use super::{
    error::{EvalError, Outcome, failed, footage},
    input::no_time,
    models::load_vision,
};

mod score;
mod truth;

pub(crate) use score::Score;
use score::Seen;
use truth::Truth;

#[derive(Debug, Args)]
pub struct Town {
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
    /// Also write every sighting and whose it is, as JSON lines
    #[arg(long, value_name = "FILE")]
    sightings: Option<PathBuf>,
}

/// Keeps what the comparison needs; the pictures are dropped.
struct Collect<'a> {
    camera: &'a str,
    start: TimeStamp,
    seen: &'a mut Vec<Seen>,
}

impl SightingSink for Collect<'_> {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        for NewSighting { sighting, embedding, .. } in batch {
            let after = |micros: i64| (micros - self.start.time.as_micros()) as f64 / 1e6;
            self.seen.push(Seen {
                camera: self.camera.to_owned(),
                class: sighting.class,
                first: after(sighting.first.time.as_micros()),
                last: after(sighting.last.time.as_micros()),
                best: after(sighting.best.as_micros()),
                bbox: sighting.bbox,
                score: sighting.score,
                description: sighting.description,
                appearance: embedding.into_values(),
                figure: None,
                pass: None,
                runs_on: false,
            });
        }
        Ok(())
    }
}

impl Town {
    pub(super) fn run(&self) -> Outcome<Score> {
        if !self.fps.is_finite() || self.fps <= 0.0 {
            return Err(EvalError::usage(format!("--fps {} is not above 0", self.fps)));
        }
        let mut truth = Truth::open(&self.folder)?;
        let mut vision = load_vision(&VisionOptions::default())?;
        let mut seen = Vec::new();
        for (camera, video) in truth.videos() {
            self.look(&camera, &video, &mut vision, &mut seen)?;
        }
        score::attribute(&mut truth, &mut seen);
        if let Some(path) = &self.sightings {
            write_lines(path, &seen)?;
        }
        Ok(Score::of(&truth, &seen))
    }

    fn look(&self, camera: &str, video: &Path, vision: &mut Vision, seen: &mut Vec<Seen>) -> Outcome {
        let start = no_time();
        let task = FootageTask {
            footage: media::Footage::open(video).map_err(footage)?.into(),
            camera: CameraId::new(camera).map_err(failed)?,
            agency: AgencyId::new("eval").map_err(failed)?,
            digest: FootageDigest([0; 32]),
            start,
            sampling: Sampling { fps: self.fps, ..Sampling::default() },
            keep_readable: false,
            scene: SceneOptions::default(),
        };
        let mut sink = Collect { camera, start, seen };
        run_footage(&task, vision, &mut sink, &mut |_| (), &CancellationToken::new())
            .map_err(|e| EvalError::library("footage", e))?;
        Ok(())
    }
}

/// A sighting and whose it is, for somebody who looks into a score.
#[derive(Serialize)]
struct Line<'a> {
    camera: &'a str,
    class: &'static str,
    first_s: f64,
    last_s: f64,
    best_s: f64,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    score: f32,
    figure: Option<&'a str>,
    runs_on: bool,
    words: BTreeMap<&'static str, String>,
}

fn write_lines(path: &Path, seen: &[Seen]) -> Outcome {
    let mut text = String::new();
    for s in seen {
        let line = Line {
            camera: &s.camera,
            class: s.class.as_str(),
            first_s: s.first,
            last_s: s.last,
            best_s: s.best,
            bbox: [s.bbox.x, s.bbox.y, s.bbox.width, s.bbox.height],
            score: s.score,
            figure: s.figure.as_deref(),
            runs_on: s.runs_on,
            words: s.words(),
        };
        text.push_str(&serde_json::to_string(&line).map_err(failed)?);
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|e| EvalError::because("output", format!("write {}", path.display()), e))
}
