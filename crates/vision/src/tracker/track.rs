//! One track: its filter, and whether it can be believed.

use types::{Detection, Group, MediaTime, Size, TrackId};

use super::{kalman::BoxFilter, options::TrackerOptions};

#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: TrackId,
    pub(super) group: Group,
    pub(super) filter: BoxFilter,
    hits: u32,
    /// Sum of the scores of its detections.
    score: f32,
    /// The last four scores, and the best mean of any four in a row.
    recent: [f32; 4],
    surest: f32,
    /// Whether it has ever moved by half its height.
    moved: bool,
    /// Since it last did: where it has been, from when, and its detections.
    still: Still,
    pub(super) confirmed: bool,
    seen: MediaTime,
    /// Whether the last frame had it.
    pub(super) current: bool,
}

impl Track {
    pub(super) fn new(id: TrackId, detection: &Detection, at: MediaTime) -> Self {
        Self {
            id,
            group: detection.class.group(),
            filter: BoxFilter::new(&detection.bbox),
            hits: 0,
            score: 0.0,
            recent: [0.0; 4],
            surest: 0.0,
            moved: false,
            still: Still::new(detection.bbox.centre(), at),
            confirmed: false,
            seen: at,
            current: false,
        }
    }

    /// Takes its detection in this frame; `true` if that confirms it.
    pub(super) fn hit(&mut self, detection: &Detection, at: MediaTime, options: &TrackerOptions) -> bool {
        self.filter.update(&detection.bbox, detection.score);
        self.hits += 1;
        self.score += detection.score;
        self.recent.rotate_left(1);
        self.recent[3] = detection.score;
        self.surest = self.surest.max(self.recent.iter().sum::<f32>() / 4.0);
        self.rest(detection, at);
        self.seen = at;
        self.current = true;
        let confirms = !self.confirmed && self.hits >= options.confirm && self.credible(options);
        self.confirmed |= confirms;
        confirms
    }

    /// Whether it is over: unseen for too long, out of the picture, or no figure at all.
    pub(super) fn is_over(&self, at: MediaTime, size: Size, options: &TrackerOptions) -> bool {
        let unseen = at.as_duration() - self.seen.as_duration();
        unseen > if self.confirmed { options.lost } else { options.tentative }
            || (!self.current && self.has_left(size))
            || (self.group == Group::Person && self.still.is_ghost(at, options))
    }

    /// Whether its detections are sure enough on average, or were for a while: who sits down behind a shelf was seen
    /// before. A vehicle is not doubted: parked far away it stays as weak as it
    /// is, and no post looks like one.
    pub(super) fn credible(&self, options: &TrackerOptions) -> bool {
        let mean = self.score / self.hits as f32;
        self.group != Group::Person
            || mean >= if self.moved { options.credible_moved } else { options.credible }
            || self.surest >= options.credible_once
    }

    /// Notes whether it has moved or rested.
    fn rest(&mut self, detection: &Detection, at: MediaTime) {
        let bbox = self.filter.bbox();
        let ((x, y), (sx, sy)) = (bbox.centre(), self.still.place);
        if (x - sx).hypot(y - sy) > 0.5 * bbox.height {
            self.moved = true;
            self.still = Still::new((x, y), at);
        }
        self.still.hits += 1;
        self.still.score += detection.score;
    }

    /// Whether it must have walked out of the picture: whoever enters there next is somebody else.
    fn has_left(&self, size: Size) -> bool {
        let bbox = self.filter.bbox();
        let (x, y) = bbox.centre();
        x < 0.0 || y < 0.0 || x > size.width as f32 || y > size.height as f32
    }
}

/// A rest: a track that stays within half its height of a place.
#[derive(Debug)]
struct Still {
    place: (f32, f32),
    since: MediaTime,
    hits: u32,
    score: f32,
}

impl Still {
    fn new(place: (f32, f32), since: MediaTime) -> Self {
        Self { place, since, hits: 0, score: 0.0 }
    }

    /// Whether the detector has had its doubts for so long that this is a post, or a track that a post has caught from
    /// the figure that went past it.
    fn is_ghost(&self, at: MediaTime, options: &TrackerOptions) -> bool {
        let long = at.as_duration() - self.since.as_duration() >= options.ghost;
        long && self.score < options.credible * self.hits as f32
    }
}
