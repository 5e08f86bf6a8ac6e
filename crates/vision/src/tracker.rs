//! Follows figures and vehicles from frame to frame: a constant-velocity Kalman filter a box, and two passes of matching,
//! strong detections first, then weak ones for the tracks still without a partner (ByteTrack: Zhang et al., 2022). Time
//! is real time, not frames, so that sampling at 5 fps and gaps work; boxes are grown before they are compared, because
//! at 5 fps a walking figure may leave its own box between two frames (after C-BIoU: Yang et al., 2023).
//!
//! Where figures cross or walk side by side boxes alone do not say whose is whose: there the colours of clothes decide as well,
//! and a track ends rather than go on with another figure (`Track::cost`). Colours are kept in memory with a
//! track, coarsely, and go with it.

mod assign;
mod kalman;
mod look;
mod options;
mod sight;
#[cfg(test)]
mod tests;
mod track;

use types::{Detection, Frame, Group, MediaTime, Rect, Size, TrackId};

use look::Look;
pub use options::TrackerOptions;
use sight::{SAME_THING, Sight, is_thing, nearby, sights};
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

/// The frame that is taken in.
struct Now {
    at: MediaTime,
    size: Size,
    /// By track, as they were when it came.
    crowded: Vec<bool>,
}

/// Looks nearer than this are of one figure.
const SAME_CLOTHES: f32 = 0.12;

/// The tracks of one camera.
#[derive(Debug)]
pub struct Tracker {
    options: TrackerOptions,
    tracks: Vec<Track>,
    last: Option<MediaTime>,
    next: u64,
}

impl Tracker {
    /// Follows nothing yet.
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, tracks: Vec::new(), last: None, next: 1 }
    }

    /// Takes the detections of the next frame. Carried things get no tracks; they tell which small "figure" beside a larger one is
    /// a suitcase. A time before the last frame's counts as the last frame's.
    pub fn follow(&mut self, frame: &Frame, detections: &[Detection]) -> TrackerStep {
        self.step(frame.at, frame.size(), detections, |bbox| Look::of(frame, bbox))
    }

    /// The same by boxes alone, without the pixels: of a frame of this size.
    pub fn update(&mut self, at: MediaTime, size: Size, detections: &[Detection]) -> TrackerStep {
        self.step(at, size, detections, |_| None)
    }

    fn step(&mut self, at: MediaTime, size: Size, detections: &[Detection], look: impl Fn(&Rect) -> Option<Look>) -> TrackerStep {
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
        let things: Vec<&Detection> = detections.iter().filter(|d| d.class.group() == Group::Carried).collect();
        let (wheeled, usable): (Vec<&Detection>, Vec<&Detection>) = usable.iter().partition(|d| is_thing(d, &things, &usable));
        let (strong, weak): (Vec<_>, Vec<_>) =
            sights(&usable, look).into_iter().partition(|s| s.detection.score >= self.options.strong);

        let mut step = TrackerStep::default();
        let now = Now { at, size, crowded: self.crowded() };
        // Confirmed tracks choose first, then what is left goes to tentative ones: a ghost never takes a figure's box.
        let mut free = strong;
        for (confirmed, grow, least) in [(true, 0.1, 0.2), (true, 0.5, 0.15), (false, 0.4, 0.15)] {
            self.pass(&mut free, |t| t.confirmed == confirmed, grow, least, &now, &mut step);
        }
        let mut weak = weak;
        self.pass(&mut weak, |_| true, 0.1, 0.4, &now, &mut step);

        for sight in free {
            let detection = sight.detection;
            if detection.score >= self.options.start && self.tracks.len() < MOST_TRACKS && !self.doubled(&sight) {
                let id = TrackId(self.next);
                self.next += 1;
                self.tracks.push(Track::new(id, detection, at));
                let index = self.tracks.len() - 1;
                self.hit(index, &sight, &now, &mut step);
            }
        }
        for thing in wheeled {
            let same = |t: &&mut Track| !t.current && t.group == Group::Person && t.filter.bbox().iou(&thing.bbox) > SAME_THING;
            self.tracks.iter_mut().filter(same).for_each(|t| t.things += 1);
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
        free: &mut Vec<Sight<'_>>,
        which: impl Fn(&Track) -> bool,
        grow: f32,
        least: f32,
        now: &Now,
        step: &mut TrackerStep,
    ) {
        let open: Vec<usize> = (0..self.tracks.len()).filter(|&i| !self.tracks[i].current && which(&self.tracks[i])).collect();
        if open.is_empty() || free.is_empty() {
            return;
        }
        let cost = |i: usize, sight: &Sight<'_>| {
            let (track, d) = (&self.tracks[i], sight.detection);
            let overlap = track.filter.bbox().grow(grow, grow).iou(&d.bbox.grow(grow, grow));
            let close = track.group == d.class.group() && overlap >= least && track.filter.plausible(&d.bbox);
            // A sure detection is the better partner of two that overlap alike.
            let boxes = close.then_some(1.0 - overlap * (0.8 + 0.2 * d.score))?;
            track.cost(sight, boxes, now.crowded.get(i).is_some_and(|c| *c), now.at, now.size)
        };
        let costs: Vec<Vec<Option<f32>>> = open.iter().map(|&i| free.iter().map(|s| cost(i, s)).collect()).collect();
        let mut taken = vec![false; free.len()];
        for (row, column) in assign::cheapest(&costs) {
            taken[column] = true;
            self.hit(open[row], &free[column], now, step);
        }
        let mut index = 0;
        free.retain(|_| {
            index += 1;
            !taken[index - 1]
        });
    }

    fn hit(&mut self, index: usize, sight: &Sight<'_>, now: &Now, step: &mut TrackerStep) {
        let track = &mut self.tracks[index];
        let confirms = track.hit(sight, now.at, now.size, &self.options);
        step.seen.push((track.id, *sight.detection));
        if confirms {
            step.confirmed.push(track.id);
        }
    }

    /// By track: whether another confirmed figure is expected so near that their boxes may be mistaken for one another.
    fn crowded(&self) -> Vec<bool> {
        let near: Vec<Rect> = self.tracks.iter().map(|t| nearby(&t.filter.bbox())).collect();
        let figure = |i: usize| self.tracks[i].group == Group::Person && self.tracks[i].confirmed;
        let meets = |i: usize, j: usize| i != j && figure(j) && !near[i].intersect(&near[j]).is_empty();
        (0..near.len()).map(|i| (0..near.len()).any(|j| meets(i, j))).collect()
    }

    /// Whether the box is most likely a second one of a figure that already has its box in this frame. A small box at the feet of a
    /// larger one, in other colours, is somebody small beside.
    fn doubled(&self, sight: &Sight<'_>) -> bool {
        let d = sight.detection;
        let same = |t: &Track| {
            let mine = t.filter.bbox();
            let inside = d.bbox.share_inside(&mine);
            let apart = t.apart(sight.look.as_ref());
            let small = d.bbox.height < 0.8 * mine.height && (d.bbox.bottom() - mine.bottom()).abs() < 0.2 * mine.height;
            let beside = small && apart.is_some_and(|apart| apart > SAME_CLOTHES);
            let alike = inside.max(mine.share_inside(&d.bbox)) > 0.5 && apart.is_some_and(|apart| apart < SAME_CLOTHES);
            mine.iou(&d.bbox) > 0.6 || alike || (inside > 0.9 && d.score < 0.6 && !beside)
        };
        self.tracks.iter().any(|t| t.current && t.group == d.class.group() && same(t))
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
