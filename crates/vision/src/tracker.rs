//! Follows figures and vehicles from frame to frame: a constant-velocity Kalman filter a box, and two passes of matching,
//! strong detections first, then weak ones for the tracks still without a partner (ByteTrack: Zhang et al., 2022). Time
//! is real time, not frames, so that sampling at 5 fps and gaps work; boxes are grown before they are compared, because
//! at 5 fps a walking figure may leave its own box between two frames (after C-BIoU: Yang et al., 2023).

mod assign;
mod kalman;
mod options;
#[cfg(test)]
mod tests;
mod track;

use types::{Detection, Group, MediaTime, Rect, Size, TrackId};

pub use options::TrackerOptions;
use track::Track;

/// What one frame did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrackerStep {
    /// Tracks with the detection each has in this frame; unconfirmed ones too.
    pub seen: Vec<(TrackId, Detection)>,
    /// Tracks confirmed by this frame.
    pub confirmed: Vec<TrackId>,
    /// Tracks that ended, confirmed or not.
    pub ended: Vec<TrackId>,
    /// Those of `ended` that were confirmed and turned out too weak to be believed.
    pub dismissed: Vec<TrackId>,
}

/// A scene with more gets no new tracks, and of more detections the surest are used: time stays bounded.
const MOST_TRACKS: usize = 400;
const MOST_DETECTIONS: usize = 400;

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    options: TrackerOptions,
    tracks: Vec<Track>,
    last: Option<MediaTime>,
    next: u64,
}

impl Tracker {
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, tracks: Vec::new(), last: None, next: 1 }
    }

    /// Takes the detections of the next frame, which has this size; carried things are ignored. A time before the last
    /// frame's counts as the last frame's.
    pub fn update(&mut self, at: MediaTime, size: Size, detections: &[Detection]) -> TrackerStep {
        let at = self.last.map_or(at, |last| at.max(last));
        let elapsed = self.last.map_or(0.0, |last| (at.as_duration() - last.as_duration()).as_secs_f32());
        self.last = Some(at);
        for track in &mut self.tracks {
            track.filter.predict(elapsed);
            track.current = false;
        }
        let usable = |d: &&Detection| {
            let sane = !d.bbox.is_empty() && d.bbox.right().is_finite() && d.bbox.bottom().is_finite();
            d.class.group() != Group::Carried && d.score >= self.options.weak && sane
        };
        let mut usable: Vec<&Detection> = detections.iter().filter(usable).collect();
        if usable.len() > MOST_DETECTIONS {
            usable.sort_by(|a, b| b.score.total_cmp(&a.score));
            usable.truncate(MOST_DETECTIONS);
        }
        let (strong, weak): (Vec<_>, Vec<_>) = usable.into_iter().partition(|d| d.score >= self.options.strong);

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
                self.tracks.push(Track::new(id, detection, at));
                let index = self.tracks.len() - 1;
                self.hit(index, detection, at, &mut step);
            }
        }
        let options = self.options.clone();
        self.end(&mut step, |track| track.is_over(at, size, &options));
        step
    }

    /// Ends every track.
    pub fn finish(&mut self) -> TrackerStep {
        self.last = None;
        let mut step = TrackerStep::default();
        self.end(&mut step, |_| true);
        step
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
        let confirms = track.hit(detection, at, &self.options);
        step.seen.push((track.id, *detection));
        if confirms {
            step.confirmed.push(track.id);
        }
    }

    /// Whether the box is most likely a second one of a figure that already has its box in this frame.
    fn doubled(&self, detection: &Detection) -> bool {
        let same = |b: &Rect| b.iou(&detection.bbox) > 0.6 || (detection.bbox.share_inside(b) > 0.9 && detection.score < 0.6);
        self.tracks.iter().any(|t| t.current && t.group == detection.class.group() && same(&t.filter.bbox()))
    }

    fn end(&mut self, step: &mut TrackerStep, over: impl Fn(&Track) -> bool) {
        self.tracks.retain(|track| {
            let over = over(track);
            if over {
                step.ended.push(track.id);
                if track.confirmed && !track.credible(&self.options) {
                    step.dismissed.push(track.id);
                }
            }
            !over
        });
    }
}
