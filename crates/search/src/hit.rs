use types::{
    CameraId, Carried, Colour, Described, DescriptionQuery, Embedding, QueryPart, Sighting, SightingId, Stature, TimeWindow,
};

use crate::{
    page_end::PageEnd,
    reach::{ReachQuery, Reached},
};

/// What to look for, within a permit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchQuery {
    /// Words, each of which counts.
    pub description: DescriptionQuery,
    /// "More like these": sightings that the case covers. None is among the hits.
    pub like: Vec<SightingId>,
    /// "Not like these", the same way. They count where there is something to be like; see [`crate::learned`].
    pub unlike: Vec<SightingId>,
    /// As `like`, of pictures, redacted before they were embedded.
    pub like_pictures: Vec<Embedding>,
    /// As `unlike`, of pictures, redacted before they were embedded.
    pub unlike_pictures: Vec<Embedding>,
    /// Only sightings whose every colour is unknown.
    pub without_colour: bool,
    /// Says of each hit whether it can be reached from a sighting.
    pub reach: Option<ReachQuery>,
    /// Empty: every camera of the permit.
    pub cameras: Vec<CameraId>,
    /// `None`: the window of the permit.
    pub window: Option<TimeWindow>,
    /// `None`: as many as the permit allows.
    pub limit: Option<usize>,
    /// Only hits that are ranked after it; `None`: from the best on.
    pub after: Option<PageEnd>,
}

/// A possible sighting of what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// As the catalogue has it, without what the case may not ask.
    pub sighting: Sighting,
    /// What the ranking goes by, 0..1.
    pub score: f32,
    /// The share of the named words that match, weighed by confidence, 0..1; `None` when no words were asked.
    pub description_score: Option<f32>,
    /// Likeness to the examples, 0..1, see [`crate::learned`]; `None` without one.
    pub appearance_score: Option<f32>,
    /// The named words that the sighting bears.
    pub why: Vec<Matched>,
    /// From 1: hits of one answer that may be one pass of one figure have the same, see [`crate::group`].
    pub group: u32,
    /// Where it was asked, and the positions are known.
    pub reach: Option<Reached>,
}

/// A word of the query that the sighting bears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Matched {
    /// What the upper half of the body wears.
    Upper(Described<Colour>),
    /// What the lower half of the body wears.
    Lower(Described<Colour>),
    /// What is carried.
    Carrying(Described<Carried>),
    /// The colour of the bodywork.
    VehicleColour(Described<Colour>),
    /// The relative height; in missing-person cases alone.
    Stature(Described<Stature>),
}

impl Matched {
    /// Which part of the query it answers.
    pub const fn part(&self) -> QueryPart {
        match self {
            Self::Upper(_) => QueryPart::Upper,
            Self::Lower(_) => QueryPart::Lower,
            Self::Carrying(_) => QueryPart::Carrying,
            Self::VehicleColour(_) => QueryPart::VehicleColour,
            Self::Stature(_) => QueryPart::Stature,
        }
    }

    /// Of the sighting's word, 0..1.
    pub const fn confidence(&self) -> f32 {
        match self {
            Self::Upper(d) | Self::Lower(d) | Self::VehicleColour(d) => d.confidence,
            Self::Carrying(d) => d.confidence,
            Self::Stature(d) => d.confidence,
        }
    }
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best first; equal scores: the newest first, then by id. A track on one camera is one hit, or one for every ten
    /// minutes that it lasted.
    pub hits: Vec<Hit>,
    /// Whether nothing better can have been left behind.
    pub exact: bool,
    /// How many figures and vehicles in scope had no colour to compare, counted up to [`crate::MOST_COUNTED`]; `None` where neither
    /// colours nor an example were asked.
    pub without_colour: Option<u32>,
    /// What fits and is ranked after the last of these.
    pub more: More,
}

/// What fits as well and is not among the hits, as far as was looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct More {
    /// So many were seen.
    pub seen: u32,
    /// Whether there may be others that were not looked at.
    pub perhaps_others: bool,
}

impl More {
    /// Whether a next page may have anything.
    pub fn is_any(self) -> bool {
        self.seen > 0 || self.perhaps_others
    }
}

/// The hits of each camera, best first; the camera with the best hit first.
pub fn by_camera(hits: &[Hit]) -> Vec<(&CameraId, Vec<&Hit>)> {
    let mut groups: Vec<(&CameraId, Vec<&Hit>)> = Vec::new();
    for hit in hits {
        match groups.iter_mut().find(|(camera, _)| **camera == hit.sighting.camera) {
            Some((_, group)) => group.push(hit),
            None => groups.push((&hit.sighting.camera, vec![hit])),
        }
    }
    groups
}
