//! One track: its filter, and whether it can be believed.

use std::time::Duration;

use types::{Detection, Group, MediaTime, Rect, Size, TrackId};

use super::{kalman::BoxFilter, look::Look, options::TrackerOptions, sight::Sight};

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
    /// What it wears; `None` until it was looked at.
    colours: Option<Colours>,
    /// In how many frames the detector saw a thing that somebody drags along in its place, and it was not seen itself.
    pub(super) things: u32,
    /// Its last box was cut by a border of the picture.
    cut: bool,
    leaving: Option<Leaving>,
}

/// The colours of a track.
#[derive(Debug)]
struct Colours {
    look: Look,
    /// How many looks it is the mean of.
    count: u32,
    /// How far apart its own looks usually are.
    spread: f32,
    /// Made of whole, uncovered boxes alone.
    clean: bool,
}

/// On its way out over the left or the right border, which its box touches: how far its inner side has come.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Left(f32),
    Right(f32),
}

/// How much a box may differ from what was predicted where it is doubtful whose it is, as shares of the height: its top, for heads
/// are seldom hidden, and its height. Both grow with the time the track was not seen.
const TOP: f32 = 0.2;
const HEIGHT: f32 = 0.45;
/// A box that is shorter with its top in place is hidden below, and may be.
const TOP_IN_PLACE: f32 = 0.08;
/// Looks further apart are of two figures, unless the track's own differ as much.
const OTHER: f32 = 0.17;
const SPREADS: f32 = 3.0;
/// Looks nearer than this are of one figure, whatever its box.
const ALIKE: f32 = 0.07;
/// How much taller the box of somebody who walks out of the picture may become: logarithm of the ratio.
const LEAVING_GROWTH: f32 = 0.25;
/// How far to the side of where it was expected a box is in place, as a share of the height.
const IN_PLACE: f32 = 0.06;
/// A look that is further off is not learned from where somebody is near: it may be partly theirs.
const LEARNED: f32 = 0.12;
/// Looks count this far at most when boxes are matched.
const FARTHEST: f32 = 0.35;
/// How far a figure on its way out may come back in, as a share of its height: boxes are not that exact.
const BACK: f32 = 0.12;
/// Who was on the way out over a border and is not seen for longer is gone: who is seen there next is somebody else.
const GONE: Duration = Duration::from_millis(250);
/// A track that was not seen for longer may be anywhere near.
const UNSEEN: f32 = 0.3;

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
            colours: None,
            things: 0,
            cut: false,
            leaving: None,
        }
    }

    /// What it costs to say that a detection is this track's, given what their boxes alone cost; `None`: it is somebody else's.
    /// Where nobody else is near, boxes decide. Where figures cross, walk side by side or enter where another leaves, the top and
    /// the height of the box have to fit, and the colours do: a track ends rather than go on with another figure.
    pub(super) fn cost(&self, sight: &Sight<'_>, boxes: f32, crowded: bool, at: MediaTime, size: Size) -> Option<f32> {
        if self.group != Group::Person {
            return Some(boxes);
        }
        let (bbox, mine) = (&sight.detection.bbox, self.filter.bbox());
        if self.hits >= 3 && self.comes_back(bbox, mine.height) {
            return None;
        }
        let unseen = (at.as_duration() - self.seen.as_duration()).as_secs_f32();
        let doubtful = crowded || sight.crowded || unseen > UNSEEN || at_border(bbox, size) || at_border(&mine, size);
        let top = (bbox.y - mine.y).abs() / mine.height.max(bbox.height);
        let apart =
            self.colours.as_ref().filter(|c| c.count >= 2).zip(sight.look.as_ref()).map(|(c, look)| c.look.distance(look));
        let alike = self.is_alike(bbox, apart, size);
        if self.hits >= 3 && !alike && self.grows_up(bbox, &mine, top) {
            return None;
        }
        if !doubtful {
            return Some(apart.map_or(boxes, |apart| 0.85 * boxes + 0.15 * (apart / FARTHEST).min(1.0)));
        }
        if self.hits >= 3
            && !(self.fits(bbox, &mine, top, unseen, alike, size) && self.is_dressed_so(sight, &mine, apart, unseen, size))
        {
            return None;
        }
        Some(apart.map_or(boxes, |apart| 0.5 * boxes + 0.5 * (apart / FARTHEST).min(1.0)) + 0.3 * (top / 0.3).min(1.0))
    }

    /// Whether its inner side is back from where it was on its way out: that is somebody who enters there.
    fn comes_back(&self, bbox: &Rect, height: f32) -> bool {
        match self.leaving {
            Some(Leaving::Left(inner)) => bbox.right() > inner + BACK * height,
            Some(Leaving::Right(inner)) => bbox.x < inner - BACK * height,
            None => false,
        }
    }

    /// Whether the box is suddenly taller, and not because it comes in or its feet come to be seen: it is of somebody behind.
    fn grows_up(&self, bbox: &Rect, mine: &Rect, top: f32) -> bool {
        let entering = self.cut && self.leaving.is_none();
        (bbox.height / mine.height.max(1.0)).ln() > HEIGHT && top > TOP && !entering
    }

    /// Whether two whole figures wear the same: then a box that was cut short before may be whole now.
    fn is_alike(&self, bbox: &Rect, apart: Option<f32>, size: Size) -> bool {
        let whole = !self.cut && !is_cut(bbox, size);
        whole && self.colours.as_ref().is_some_and(|c| c.clean) && apart.is_some_and(|apart| apart < ALIKE)
    }

    fn fits(&self, bbox: &Rect, mine: &Rect, top: f32, unseen: f32, alike: bool, size: Size) -> bool {
        let (later, at_top) = (1.0 + 0.5 * unseen, bbox.y <= EDGE);
        let (most_top, most_height) = if alike { (2.0 * TOP, 1.5 * HEIGHT) } else { (TOP, HEIGHT) };
        // Nobody grows on the way out.
        let most_growth = if self.leaving.is_some() { LEAVING_GROWTH } else { most_height };
        let taller = (bbox.height / mine.height.max(1.0)).ln();
        // A box that is cut changes as it comes in.
        let entering = self.cut && self.leaving.is_none();
        let moved = top > most_top * later && !at_top && !self.cut && !is_cut(bbox, size);
        let moved_far = top > 1.5 * most_top * later && !at_top;
        let grown = taller > most_growth * later && !entering;
        let shrunk = -taller > most_height * later && top >= TOP_IN_PLACE;
        !(moved || moved_far || grown || shrunk)
    }

    fn is_dressed_so(&self, sight: &Sight<'_>, mine: &Rect, apart: Option<f32>, unseen: f32, size: Size) -> bool {
        let (Some(colours), Some(apart)) = (&self.colours, apart) else { return true };
        let bbox = &sight.detection.bbox;
        // A border cuts off what the colours were learned from; there the place is enough, if nobody else is near.
        let in_place = (bbox.centre().0 - mine.centre().0).abs() < IN_PLACE * mine.height;
        if is_cut(bbox, size) && in_place && unseen <= UNSEEN && !sight.crowded {
            return true;
        }
        let covered = if sight.covered > 0.4 { 1.25 } else { 1.0 };
        let cut = if is_cut(bbox, size) || !colours.clean { 1.5 } else { 1.0 };
        apart <= OTHER.max(SPREADS * colours.spread + 0.02) * covered * cut
    }

    /// How far its colours are from these; `None` where either is not known.
    pub(super) fn apart(&self, look: Option<&Look>) -> Option<f32> {
        Some(self.colours.as_ref()?.look.distance(look?))
    }

    fn learn(&mut self, sight: &Sight<'_>) {
        let Some(look) = &sight.look else { return };
        let clean = sight.covered < 0.25 && !self.cut;
        let first = || Colours { look: look.clone(), count: 1, spread: 0.05, clean };
        match &mut self.colours {
            None => self.colours = Some(first()),
            Some(colours) if clean && !colours.clean => *colours = Colours { spread: colours.spread, ..first() },
            Some(colours) if clean || !colours.clean => {
                let apart = colours.look.distance(look);
                if apart > LEARNED && sight.crowded {
                    return;
                }
                colours.spread += 0.15 * (apart.min(0.2) - colours.spread);
                colours.look.follow(look, 0.2);
                colours.count += 1;
            }
            Some(_) => {}
        }
    }

    fn watch_borders(&mut self, bbox: &Rect, size: Size) {
        self.cut = is_cut(bbox, size);
        let (speed, right) = (self.filter.speed(), size.width as f32 - EDGE);
        self.leaving = match self.leaving {
            Some(Leaving::Left(inner)) if bbox.x <= EDGE && speed < 0.0 => Some(Leaving::Left(inner.min(bbox.right()))),
            Some(Leaving::Right(inner)) if bbox.right() >= right && speed > 0.0 => Some(Leaving::Right(inner.max(bbox.x))),
            _ if bbox.right() >= right && speed > 0.0 => Some(Leaving::Right(bbox.x)),
            _ if bbox.x <= EDGE && speed < 0.0 => Some(Leaving::Left(bbox.right())),
            _ => None,
        };
    }

    /// Takes its detection in this frame; `true` if that confirms it.
    pub(super) fn hit(&mut self, sight: &Sight<'_>, at: MediaTime, size: Size, options: &TrackerOptions) -> bool {
        let detection = sight.detection;
        self.filter.update(&detection.bbox, detection.score);
        self.watch_borders(&detection.bbox, size);
        self.learn(sight);
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
            || (!self.current && (self.has_left(size) || self.leaving.is_some() && unseen > GONE))
            || (self.group == Group::Person && self.still.is_ghost(at, options))
    }

    /// Whether its detections are sure enough on average, or were for a while: who sits down behind a shelf was seen
    /// before. A vehicle is not doubted: parked far away it stays as weak as it
    /// is, and no post looks like one. What was a suitcase as often is no figure.
    pub(super) fn credible(&self, options: &TrackerOptions) -> bool {
        let mean = self.score / self.hits as f32;
        if self.group == Group::Person && self.things >= self.hits {
            return false;
        }
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

/// So many pixels from a border of the picture a box may be cut by it.
const EDGE: f32 = 3.0;

/// At a side or at the bottom, where figures enter and leave.
fn at_border(bbox: &Rect, size: Size) -> bool {
    bbox.x <= EDGE || bbox.right() >= size.width as f32 - EDGE || bbox.bottom() >= size.height as f32 - EDGE
}

fn is_cut(bbox: &Rect, size: Size) -> bool {
    bbox.y <= EDGE || at_border(bbox, size)
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
