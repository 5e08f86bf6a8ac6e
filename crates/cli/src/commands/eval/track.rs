use std::{fmt::Write as _, fs, path::PathBuf};

use clap::Args;
use media::Sampling;
use serde::Serialize;
use types::{Class, Group};
use vision::{Tracker, TrackerOptions, VisionOptions};

use super::{failed, input::each_frame, load_vision};
use crate::{
    failure::{Failure, Outcome, library},
    output::Printer,
};

#[derive(Debug, Args)]
pub(crate) struct Track {
    #[arg(long, value_name = "FILE")]
    video: PathBuf,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
    /// MOTChallenge rows: frame,id,x,y,w,h,score,-1,-1,-1; the video's own frame numbers from 1
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Answer {
    frames: u64,
    boxes: usize,
    tracks: usize,
}

impl Track {
    pub(super) fn run(&self, printer: Printer) -> Outcome {
        if !self.fps.is_finite() || self.fps <= 0.0 {
            return Err(Failure::usage(format!("--fps {} is not above 0", self.fps)));
        }
        let rate = media::probe(&self.video)
            .map_err(|e| library("footage", &e))?
            .frame_rate
            .ok_or_else(|| Failure::new("footage", "the file does not say its frame rate, so its frames have no numbers"))?;
        let mut vision = load_vision(&VisionOptions::default())?;
        let mut tracker = Tracker::new(TrackerOptions::default());
        // A track's first boxes are known to be right once it is confirmed: rows wait for that.
        let mut rows: Vec<(u64, u64, types::Detection)> = Vec::new();
        let mut confirmed = std::collections::BTreeSet::new();
        let mut frames = 0;
        each_frame(&self.video, Sampling { fps: self.fps, ..Sampling::default() }, |frame| {
            let mut found = vision.detector.detect(frame).map_err(|e| failed(&e))?;
            found.retain(|d| d.class.group() != Group::Carried);
            let step = tracker.update(frame.at, &found);
            confirmed.extend(step.confirmed.iter().map(|id| id.0));
            let number = (frame.at.as_duration().as_secs_f64() * rate).round() as u64 + 1;
            rows.extend(step.seen.iter().filter(|(_, d)| d.class == Class::Person).map(|(id, d)| (number, id.0, *d)));
            frames += 1;
            Ok(true)
        })?;
        rows.retain(|(_, id, _)| confirmed.contains(id));
        let mut text = String::new();
        for (number, id, d) in &rows {
            let b = d.bbox;
            let _ = writeln!(text, "{number},{id},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1", b.x, b.y, b.width, b.height, d.score);
        }
        fs::write(&self.out, text).map_err(|e| Failure::because("output", format!("write {}", self.out.display()), &e))?;
        let tracks = rows.iter().map(|r| r.1).collect::<std::collections::BTreeSet<_>>().len();
        let answer = Answer { frames, boxes: rows.len(), tracks };
        printer.answer(&answer, || format!("{frames} frames, {} boxes in {tracks} tracks: {}", answer.boxes, self.out.display()));
        Ok(())
    }
}
