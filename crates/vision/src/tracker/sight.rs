//! A detection on its way to a track, and what else is known of it.

use types::{Class, Detection, Group, Rect};

use super::look::Look;

/// A detection that is looked for a track, and what else is known of it.
#[derive(Debug)]
pub(super) struct Sight<'a> {
    pub(super) detection: &'a Detection,
    /// Of a figure's clothes.
    pub(super) look: Option<Look>,
    /// The share of its box that another figure's box covers.
    pub(super) covered: f32,
    /// Another figure's box is so near that the two may be mistaken for one another.
    pub(super) crowded: bool,
}

/// A figure and a thing whose boxes overlap so much are the same pixels.
pub(super) const SAME_THING: f32 = 0.4;

/// Whether the detector takes a thing that somebody drags along for a figure: it sees both in one place, beside somebody taller.
pub(super) fn is_thing(figure: &Detection, things: &[&Detection], all: &[&Detection]) -> bool {
    let taller = |o: &&Detection| {
        o.class.group() == Group::Person
            && o.score > 0.3
            && o.bbox.height >= 1.4 * figure.bbox.height
            && !o.bbox.grow(0.2, 0.2).intersect(&figure.bbox).is_empty()
    };
    figure.class.group() == Group::Person
        && things.iter().any(|t| t.class != Class::Umbrella && t.bbox.iou(&figure.bbox) >= SAME_THING)
        && all.iter().any(|o| taller(o))
}

/// Where somebody else counts as near.
pub(super) fn nearby(bbox: &Rect) -> Rect {
    bbox.grow(0.15, 0.15)
}

pub(super) fn sights<'a>(detections: &[&'a Detection], look: impl Fn(&Rect) -> Option<Look>) -> Vec<Sight<'a>> {
    let figure = |d: &Detection| d.class.group() == Group::Person;
    let sight = |(i, d): (usize, &&'a Detection)| {
        let others = || detections.iter().enumerate().filter(|(j, o)| *j != i && figure(o) && figure(d)).map(|(_, o)| o.bbox);
        Sight {
            detection: d,
            look: figure(d).then(|| look(&d.bbox)).flatten(),
            covered: others().map(|o| d.bbox.share_inside(&o)).fold(0.0, f32::max),
            crowded: others().any(|o| !nearby(&d.bbox).intersect(&nearby(&o)).is_empty()),
        }
    };
    detections.iter().enumerate().map(sight).collect()
}
