use std::{
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use media::Sampling;
use pipeline::{AttentionOptions, DetectionScheduler};
use serde::Serialize;
use types::{Detection, Frame, Rect, TrackId};
use vision::{Tracker, TrackerOptions, VisionOptions};

use super::{
    error::{Outcome, failed},
    input::each_frame,
    models::load_vision,
};

#[derive(Debug, Args)]
pub struct Gate {
    #[arg(required = true, value_name = "VIDEO")]
    videos: Vec<PathBuf>,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    frames: u64,
    /// How the gate looked at them: whole, at a part, not at all.
    whole: u64,
    part: u64,
    none: u64,
    /// Boxes of confirmed tracks when every frame is looked at whole, and the share of them that the gate's tracks have too
    /// (IoU 0.5 and more in the same frame).
    boxes: u64,
    recall: f64,
    /// The same the other way round: the share of the gate's boxes that looking at every frame whole finds too.
    precision: f64,
    /// Time to find things, the gate's own included, as a share of that for every frame whole.
    time: f64,
}

/// One way of looking at a video.
struct Looker {
    attention: DetectionScheduler,
    tracker: Tracker,
    rows: Vec<(u64, TrackId, Rect)>,
    confirmed: BTreeSet<TrackId>,
    time: Duration,
}

impl Looker {
    fn new(gate: bool) -> Self {
        Self {
            attention: DetectionScheduler::new(AttentionOptions { gate, ..AttentionOptions::default() }),
            tracker: Tracker::new(TrackerOptions::default()),
            rows: Vec::new(),
            confirmed: BTreeSet::new(),
            time: Duration::ZERO,
        }
    }

    fn look(&mut self, number: u64, frame: &Frame, detector: &mut vision::Detector) -> Outcome {
        let began = Instant::now();
        let found: Vec<Detection> = self.attention.look(frame, detector).map_err(failed)?;
        self.time += began.elapsed();
        let step = self.tracker.follow(frame, &found);
        self.confirmed.extend(step.confirmed);
        step.dismissed.iter().for_each(|id| _ = self.confirmed.remove(id));
        self.rows.extend(step.seen.into_iter().map(|(id, d)| (number, id, d.bbox)));
        Ok(())
    }

    fn finish(&mut self) {
        self.tracker.finish().dismissed.iter().for_each(|id| _ = self.confirmed.remove(id));
        self.rows.retain(|(_, id, _)| self.confirmed.contains(id));
    }
}

impl Gate {
    pub(super) fn run(&self) -> Outcome<Answer> {
        let mut vision = load_vision(&VisionOptions::default())?;
        let mut answer = Answer { frames: 0, whole: 0, part: 0, none: 0, boxes: 0, recall: 1.0, precision: 1.0, time: 0.0 };
        let (mut shared, mut gated_boxes, mut times) = (0u64, 0u64, [Duration::ZERO; 2]);
        for video in &self.videos {
            let (mut every, mut gated) = (Looker::new(false), Looker::new(true));
            let mut number = 0;
            each_frame(video, Sampling { fps: self.fps, ..Sampling::default() }, |frame| {
                every.look(number, frame, &mut vision.detector)?;
                gated.look(number, frame, &mut vision.detector)?;
                number += 1;
                Ok(true)
            })?;
            every.finish();
            gated.finish();
            let looks = gated.attention.scans();
            answer.frames += number;
            answer.whole += looks.whole;
            answer.part += looks.part;
            answer.none += looks.none;
            answer.boxes += every.rows.len() as u64;
            gated_boxes += gated.rows.len() as u64;
            shared += matches(&every.rows, &gated.rows);
            times[0] += every.time;
            times[1] += gated.time;
        }
        let share = |part: u64, of: u64| if of == 0 { 1.0 } else { part as f64 / of as f64 };
        answer.recall = share(shared, answer.boxes);
        answer.precision = share(shared, gated_boxes);
        answer.time = times[1].as_secs_f64() / times[0].as_secs_f64().max(f64::MIN_POSITIVE);
        Ok(answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, whole, part, none, boxes, recall, precision, time } = self;
        writeln!(f, "{frames} frames: {whole} whole, {part} in part, {none} not at all")?;
        write!(f, "{recall:.3} of {boxes} boxes found ({precision:.3} of those found are among them) in {time:.2} of the time")
    }
}

/// How many boxes of one have a partner of their own in the other: the same frame, IoU 0.5 and more.
fn matches(one: &[(u64, TrackId, Rect)], other: &[(u64, TrackId, Rect)]) -> u64 {
    let mut taken = vec![false; other.len()];
    let mut count = 0;
    for (frame, _, bbox) in one {
        // Rows are in the order of the frames.
        let first = other.partition_point(|(f, _, _)| f < frame);
        let here = other[first..].iter().take_while(|(f, _, _)| f == frame).enumerate();
        let free = here.filter(|(i, (_, _, b))| !taken[first + i] && b.iou(bbox) >= 0.5);
        if let Some((i, _)) = free.max_by(|a, b| a.1.2.iou(bbox).total_cmp(&b.1.2.iou(bbox))) {
            taken[first + i] = true;
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_matched_once_and_in_its_own_frame() {
        let row = |frame, x| (frame, TrackId(0), Rect::new(x, 0.0, 10.0, 10.0));
        assert_eq!(matches(&[row(1, 0.0), row(1, 1.0), row(2, 0.0)], &[row(1, 0.0), row(3, 0.0)]), 1);
        assert_eq!(matches(&[row(1, 0.0), row(1, 50.0)], &[row(1, 51.0), row(1, 1.0)]), 2);
    }
}
