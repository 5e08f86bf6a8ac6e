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

use super::{common::load_vision, input::no_time};
use crate::{
    failure::{Failure, Outcome, library},
    output::Printer,
};

mod score;
mod truth;

use score::{Score, Seen};
use truth::Truth;

/// Labelled footage of several cameras: who has a sighting, and is found by words and by example
///
/// The folder holds cameras.json (a list of `id`, `video`, `fps`), figures.json (a list of `id` and what is known of `upper`,
/// `lower`, `carrying`, `child`) and truth.csv with the columns camera,frame,figure,x,y,w,h,visible: every figure in every
/// frame, frames counted from 0, `visible` the share of it that is seen.
#[derive(Debug, Args)]
pub(crate) struct Town {
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
    pub(super) fn run(&self, printer: Printer) -> Outcome {
        if !self.fps.is_finite() || self.fps <= 0.0 {
            return Err(Failure::usage(format!("--fps {} is not above 0", self.fps)));
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
        let answer = Score::of(&truth, &seen);
        printer.answer(&answer, || answer.to_string());
        Ok(())
    }

    fn look(&self, camera: &str, video: &Path, vision: &mut Vision, seen: &mut Vec<Seen>) -> Outcome {
        let nobody = |e: types::IdError| library("evaluation", &e);
        let start = no_time();
        let task = FootageTask {
            footage: media::Footage::open(video).map_err(|e| library("footage", &e))?.into(),
            camera: CameraId::new(camera).map_err(nobody)?,
            agency: AgencyId::new("eval").map_err(nobody)?,
            digest: FootageDigest([0; 32]),
            start,
            sampling: Sampling { fps: self.fps, ..Sampling::default() },
            keep_readable: false,
            scene: SceneOptions::default(),
        };
        let mut sink = Collect { camera, start, seen };
        run_footage(&task, vision, &mut sink, &mut |_| (), &CancellationToken::new()).map_err(|e| library("footage", &e))?;
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
        text.push_str(&serde_json::to_string(&line).map_err(|e| library("evaluation", &e))?);
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|e| Failure::because("output", format!("write {}", path.display()), &e))
}
