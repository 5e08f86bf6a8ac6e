//! Follows figures and vehicles from frame to frame: a constant-velocity Kalman filter a box, and two passes of matching,
//! strong detections first, then weak ones for the tracks still without a partner (ByteTrack: Zhang et al., 2022). Time
//! is real time, not frames, so that sampling at 5 fps and gaps work; boxes are grown before they are compared, because
//! at 5 fps a walking figure may leave its own box between two frames (after C-BIoU: Yang et al., 2023).

mod assign;
mod kalman;

use std::time::Duration;

use types::{Detection, Group, MediaTime, Rect, TrackId};

use kalman::BoxFilter;

/// How tracks start, go on and end.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerOptions {
    /// Detections from here on are matched first.
    pub strong: f32,
    /// Only detections from here on start a track.
    pub start: f32,
    /// Detections below are not used at all.
    pub weak: f32,
    /// A track is confirmed by so many detections.
    pub confirm: u32,
    /// How long a track lives on without a detection.
    pub lost: Duration,
    /// How long an unconfirmed one does.
    pub tentative: Duration,
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self {
            strong: 0.4,
            start: 0.45,
            weak: 0.2,
            confirm: 3,
            lost: Duration::from_millis(2000),
            tentative: Duration::from_millis(450),
        }
    }
}

/// What one frame did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrackerStep {
    /// Tracks with the detection each has in this frame; unconfirmed ones too.
    pub seen: Vec<(TrackId, Detection)>,
    /// Tracks confirmed by this frame.
    pub confirmed: Vec<TrackId>,
    /// Tracks that ended, confirmed or not.
    pub ended: Vec<TrackId>,
}

/// A scene with more gets no new tracks: time stays bounded.
const MOST_TRACKS: usize = 400;

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    options: TrackerOptions,
    tracks: Vec<Track>,
    last: Option<MediaTime>,
    next: u64,
}

#[derive(Debug)]
struct Track {
    id: TrackId,
    group: Group,
    filter: BoxFilter,
    hits: u32,
    confirmed: bool,
    seen: MediaTime,
    /// Whether the last frame had it.
    current: bool,
}

impl Tracker {
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, tracks: Vec::new(), last: None, next: 1 }
    }

    /// Takes the detections of the next frame; carried things are ignored. A time before the last frame's counts as the
    /// last frame's.
    pub fn update(&mut self, at: MediaTime, detections: &[Detection]) -> TrackerStep {
        let at = self.last.map_or(at, |last| at.max(last));
        let elapsed = self.last.map_or(0.0, |last| (at.as_duration() - last.as_duration()).as_secs_f32());
        self.last = Some(at);
        for track in &mut self.tracks {
            track.filter.predict(elapsed);
            track.current = false;
        }
        let usable = |d: &&Detection| d.class.group() != Group::Carried && d.score >= self.options.weak && !d.bbox.is_empty();
        let (strong, weak): (Vec<_>, Vec<_>) = detections.iter().filter(usable).partition(|d| d.score >= self.options.strong);

        let mut step = TrackerStep::default();
        // Confirmed tracks choose first, then what is left goes to tentative ones: a ghost never takes a figure's box.
        let mut free = strong;
        for (confirmed, grow, least) in [(true, 0.1, 0.2), (true, 0.5, 0.15), (false, 0.4, 0.15)] {
            self.pass(&mut free, |t| t.confirmed == confirmed, grow, least, at, &mut step);
        }
        let mut weak = weak;
        self.pass(&mut weak, |_| true, 0.1, 0.4, at, &mut step);

        for detection in free {
            if detection.score >= self.options.start && self.tracks.len() < MOST_TRACKS && !self.doubled(detection) {
                let id = TrackId(self.next);
                self.next += 1;
                self.tracks.push(Track {
                    id,
                    group: detection.class.group(),
                    filter: BoxFilter::new(&detection.bbox),
                    hits: 0,
                    confirmed: false,
                    seen: at,
                    current: false,
                });
                let index = self.tracks.len() - 1;
                self.hit(index, detection, at, &mut step);
            }
        }
        self.end(at, &mut step);
        step
    }

    /// Ends every track and says which there were.
    pub fn finish(&mut self) -> Vec<TrackId> {
        self.last = None;
        self.tracks.drain(..).map(|t| t.id).collect()
    }

    /// One round of matching of the tracks not yet seen in this frame; matched detections leave `free`.
    fn pass(
        &mut self,
        free: &mut Vec<&Detection>,
        which: impl Fn(&Track) -> bool,
        grow: f32,
        least: f32,
        at: MediaTime,
        step: &mut TrackerStep,
    ) {
        let open: Vec<usize> = (0..self.tracks.len()).filter(|&i| !self.tracks[i].current && which(&self.tracks[i])).collect();
        if open.is_empty() || free.is_empty() {
            return;
        }
        let cost = |i: usize, d: &Detection| {
            let track = &self.tracks[i];
            let overlap = track.filter.bbox().grow(grow, grow).iou(&d.bbox.grow(grow, grow));
            let close = track.group == d.class.group() && overlap >= least && track.filter.plausible(&d.bbox);
            // A sure detection is the better partner of two that overlap alike.
            close.then_some(1.0 - overlap * (0.8 + 0.2 * d.score))
        };
        let costs: Vec<Vec<Option<f32>>> = open.iter().map(|&i| free.iter().map(|d| cost(i, d)).collect()).collect();
        let mut taken = vec![false; free.len()];
        for (row, column) in assign::cheapest(&costs) {
            taken[column] = true;
            self.hit(open[row], free[column], at, step);
        }
        let mut index = 0;
        free.retain(|_| {
            index += 1;
            !taken[index - 1]
        });
    }

    fn hit(&mut self, index: usize, detection: &Detection, at: MediaTime, step: &mut TrackerStep) {
        let track = &mut self.tracks[index];
        track.filter.update(&detection.bbox, detection.score);
        track.hits += 1;
        track.seen = at;
        track.current = true;
        step.seen.push((track.id, *detection));
        if !track.confirmed && track.hits >= self.options.confirm {
            track.confirmed = true;
            step.confirmed.push(track.id);
        }
    }

    /// Whether the box is most likely a second one of a figure that already has its box in this frame.
    fn doubled(&self, detection: &Detection) -> bool {
        let same = |b: &Rect| b.iou(&detection.bbox) > 0.6 || (detection.bbox.share_inside(b) > 0.9 && detection.score < 0.6);
        self.tracks.iter().any(|t| t.current && t.group == detection.class.group() && same(&t.filter.bbox()))
    }

    fn end(&mut self, at: MediaTime, step: &mut TrackerStep) {
        let options = &self.options;
        self.tracks.retain(|track| {
            let unseen = at.as_duration() - track.seen.as_duration();
            let keep = unseen <= if track.confirmed { options.lost } else { options.tentative };
            if !keep {
                step.ended.push(track.id);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Class;

    use super::*;

    fn at(frame: u64) -> MediaTime {
        MediaTime::from_duration(Duration::from_millis(frame * 200))
    }

    fn person(x: f32, y: f32, score: f32) -> Detection {
        Detection { class: Class::Person, score, bbox: Rect::new(x, y, 40.0, 100.0) }
    }

    #[test]
    fn a_figure_that_walks_out_of_its_own_box_keeps_its_track_at_five_frames_a_second() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let mut ids = std::collections::BTreeSet::new();
        for i in 0..15 {
            // From standing to 36 pixels a frame, nearly its own width.
            let x = (0..i).map(|k| (k as f32 * 6.0).min(36.0)).sum::<f32>();
            ids.extend(tracker.update(at(i), &[person(x, 50.0, 0.8)]).seen.iter().map(|(id, _)| *id));
        }
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn two_figures_that_cross_keep_their_tracks() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let mut last = Vec::new();
        for i in 0..25 {
            let (a, b) = (person(i as f32 * 20.0, 50.0, 0.8), person(480.0 - i as f32 * 20.0, 62.0, 0.8));
            let step = tracker.update(at(i), &[a, b]);
            last = step.seen;
            assert_eq!(last.len(), 2, "frame {i}");
        }
        let right_most = last.iter().max_by(|a, b| a.1.bbox.x.total_cmp(&b.1.bbox.x)).unwrap();
        assert_eq!(right_most.0, TrackId(1));
    }

    #[test]
    fn weak_detections_keep_a_track_but_start_none() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        assert!(tracker.update(at(0), &[person(0.0, 0.0, 0.3)]).seen.is_empty());
        tracker.update(at(1), &[person(0.0, 0.0, 0.8)]);
        for i in 2..9 {
            assert_eq!(tracker.update(at(i), &[person(0.0, 0.0, 0.25)]).seen.len(), 1);
        }
    }

    #[test]
    fn a_track_bridges_a_gap_and_ends_after_a_longer_one() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let mut confirmed = Vec::new();
        for i in 0..5 {
            confirmed.extend(tracker.update(at(i), &[person(i as f32 * 4.0, 0.0, 0.8)]).confirmed);
        }
        assert_eq!(confirmed, [TrackId(1)]);
        for i in 5..10 {
            assert!(tracker.update(at(i), &[]).ended.is_empty());
        }
        assert_eq!(tracker.update(at(10), &[person(40.0, 0.0, 0.8)]).seen[0].0, TrackId(1));
        let ended: Vec<_> = (11..30).flat_map(|i| tracker.update(at(i), &[]).ended).collect();
        assert_eq!(ended, [TrackId(1)]);
    }

    #[test]
    fn a_figure_and_a_vehicle_never_share_a_track() {
        let mut tracker = Tracker::new(TrackerOptions::default());
        tracker.update(at(0), &[person(0.0, 0.0, 0.8)]);
        let step = tracker.update(at(1), &[Detection { class: Class::Car, ..person(0.0, 0.0, 0.8) }]);
        assert_eq!(step.seen[0].0, TrackId(2));
    }

    proptest! {
        #[test]
        fn whatever_comes_every_track_ends_once_and_no_detection_is_used_twice(
            frames in prop::collection::vec(prop::collection::vec((0f32..300.0, 0f32..200.0, 0f32..1.0), 0..8), 1..30),
            gap in 0u64..20,
        ) {
            let mut tracker = Tracker::new(TrackerOptions::default());
            let (mut begun, mut ended) = (std::collections::BTreeSet::new(), Vec::new());
            for (i, frame) in frames.iter().enumerate() {
                let detections: Vec<_> = frame.iter().map(|(x, y, s)| person(*x, *y, *s)).collect();
                // Time may jump, and even run backwards.
                let step = tracker.update(at((i as u64 * 7) % (gap + 1) + i as u64), &detections);
                prop_assert!(step.seen.len() <= detections.len());
                let mut ids: Vec<_> = step.seen.iter().map(|(id, _)| *id).collect();
                begun.extend(ids.iter().copied());
                ids.sort();
                ids.dedup();
                prop_assert_eq!(ids.len(), step.seen.len());
                ended.extend(step.ended);
            }
            ended.extend(tracker.finish());
            ended.sort();
            prop_assert_eq!(ended, begun.into_iter().collect::<Vec<_>>());
        }
    }
}
