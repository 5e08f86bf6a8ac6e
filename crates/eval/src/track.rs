use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    fs,
    path::PathBuf,
};

use clap::Args;
use media::Sampling;
use pipeline::{AttentionOptions, DetectionScheduler};
use serde::Serialize;
use types::{Class, Detection, Rect, TrackId};
use vision::{Tracker, TrackerOptions, VisionOptions};

use super::{
    error::{EvalError, Outcome, failed, footage},
    input::each_frame,
    models::load_vision,
};

#[derive(Debug, Args)]
pub struct Track {
    #[arg(long, value_name = "FILE")]
    video: PathBuf,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
    /// Look at every frame whole, whether something moves or not
    #[arg(long)]
    every_frame: bool,
    /// MOTChallenge rows: frame,id,x,y,w,h,score,-1,-1,-1; the video's own frame numbers from 1
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    frames: u64,
    boxes: usize,
    tracks: usize,
    #[serde(skip)]
    out: PathBuf,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, boxes, tracks, out } = self;
        write!(f, "{frames} frames, {boxes} boxes in {tracks} tracks: {}", out.display())
    }
}

impl Track {
    pub(super) fn run(&self) -> Outcome<Answer> {
        if !self.fps.is_finite() || self.fps <= 0.0 {
            return Err(EvalError::usage(format!("--fps {} is not above 0", self.fps)));
        }
        let rate = media::probe(&self.video)
            .map_err(footage)?
            .frame_rate
            .ok_or_else(|| EvalError::new("footage", "the file does not say its frame rate, so its frames have no numbers"))?;
        let mut vision = load_vision(&VisionOptions::default())?;
        let mut attention = DetectionScheduler::new(AttentionOptions { gate: !self.every_frame, ..AttentionOptions::default() });
        let mut tracker = Tracker::new(TrackerOptions::default());
        // A track's first boxes are known to be right once it is confirmed, and all of them once it was not dismissed: rows
        // wait for that, as the sightings of an archive do.
        let mut rows: Vec<Row> = Vec::new();
        let mut confirmed = BTreeSet::new();
        let mut frames = 0;
        each_frame(&self.video, Sampling { fps: self.fps, ..Sampling::default() }, |frame| {
            let found = attention.look(frame, &mut vision.detector).map_err(failed)?;
            let step = tracker.follow(frame, &found);
            confirmed.extend(step.confirmed.iter().copied());
            step.dismissed.iter().for_each(|id| _ = confirmed.remove(id));
            let number = (frame.at.as_duration().as_secs_f64() * rate).round() as u64 + 1;
            let people = step.seen.into_iter().filter(|(_, d)| d.class == Class::Person);
            rows.extend(people.map(|(track, seen)| Row { sample: frames, frame: number, track, seen }));
            frames += 1;
            Ok(true)
        })?;
        tracker.finish().dismissed.iter().for_each(|id| _ = confirmed.remove(id));
        rows.retain(|row| confirmed.contains(&row.track));
        bridge(&mut rows);
        let mut text = String::new();
        for Row { frame, track, seen, .. } in &rows {
            let (id, b) = (track.0, seen.bbox);
            let _ =
                writeln!(text, "{frame},{id},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1", b.x, b.y, b.width, b.height, seen.score);
        }
        fs::write(&self.out, text).map_err(|e| EvalError::because("output", format!("write {}", self.out.display()), e))?;
        let tracks = rows.iter().map(|r| r.track).collect::<BTreeSet<_>>().len();
        Ok(Answer { frames, boxes: rows.len(), tracks, out: self.out.clone() })
    }
}

/// A figure in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    /// Counts the frames that were looked at.
    sample: u64,
    /// The video's own number of the frame, from 1.
    frame: u64,
    track: TrackId,
    seen: Detection,
}

/// A track that misses up to so many frames looked at gets boxes in between; over a longer gap a straight line is a guess.
const BRIDGED: u64 = 2;

/// Adds a row for each frame looked at in which a track was hidden for a moment, on the straight line between the boxes
/// around it and with the lower of their scores; sorts by frame and track.
fn bridge(rows: &mut Vec<Row>) {
    let mut last: BTreeMap<TrackId, Row> = BTreeMap::new();
    let mut between = Vec::new();
    for row in rows.iter() {
        let Some(before) = last.insert(row.track, *row) else { continue };
        let steps = row.sample - before.sample;
        for step in (1..steps).filter(|_| steps <= BRIDGED + 1) {
            let part = step as f32 / steps as f32;
            let mix = |a: f32, b: f32| a + (b - a) * part;
            let (a, b) = (before.seen.bbox, row.seen.bbox);
            let bbox = Rect::new(mix(a.x, b.x), mix(a.y, b.y), mix(a.width, b.width), mix(a.height, b.height));
            let score = before.seen.score.min(row.seen.score);
            let frame = before.frame + ((row.frame - before.frame) * step + steps / 2) / steps;
            between.push(Row { sample: before.sample + step, frame, seen: Detection { bbox, score, ..row.seen }, ..before });
        }
    }
    rows.extend(between);
    rows.sort_by_key(|row| (row.sample, row.track));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_gap_is_bridged_on_a_straight_line_and_a_long_one_is_not() {
        let row = |sample: u64, x: f32| Row {
            sample,
            frame: sample * 2 + 1,
            track: TrackId(7),
            seen: Detection { class: Class::Person, score: 0.5, bbox: Rect::new(x, 0.0, 10.0, 30.0) },
        };
        let mut rows = vec![row(0, 0.0), row(3, 30.0), row(7, 70.0)];
        bridge(&mut rows);
        assert_eq!(rows, [row(0, 0.0), row(1, 10.0), row(2, 20.0), row(3, 30.0), row(7, 70.0)]);
    }
}
