use std::fmt;

use types::{CameraId, CaptureTime, Class, Day, Description, Embedding, ModelDigest, SightingId, TimeWindow};

use crate::{
    IndexEntry, IndexError,
    entry::{check_appearance, check_vector},
};

/// Which vector space to search, and for what.
#[derive(Clone)]
pub enum QueryVector {
    /// [`types::DescriptionQuery::to_vector`].
    Description(Vec<f32>),
    /// A vector by the index's model, to be near to.
    Appearance(Embedding),
}

impl fmt::Debug for QueryVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description(v) => write!(f, "Description({} values)", v.len()),
            Self::Appearance(e) => e.fmt(f),
        }
    }
}

/// A search: the filter is a conjunction.
#[derive(Debug, Clone)]
pub struct IndexQuery {
    /// Sightings that overlap it: first seen before its end, last seen at or after its start. Decides the buckets.
    pub window: TimeWindow,
    /// Only these; none named finds nothing.
    pub cameras: Vec<CameraId>,
    /// Only these; none named means every class.
    pub classes: Vec<Class>,
    /// Decides the order of what passes the filter.
    pub vector: QueryVector,
    /// At most so many, and never more than [`Self::MAX_LIMIT`]; 0 finds nothing.
    pub limit: usize,
    /// Never in the answer.
    pub exclude: Vec<SightingId>,
}

/// A sighting and its dot product with the query's vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Of the sighting in the catalogue.
    pub id: SightingId,
    /// The dot product, -1..1 for appearance.
    pub score: f32,
}

impl Scored {
    /// The higher score first, equal scores by id.
    pub fn better_first(a: &Self, b: &Self) -> std::cmp::Ordering {
        b.score.total_cmp(&a.score).then(a.id.cmp(&b.id))
    }
}

impl IndexQuery {
    /// The engine reserves memory for as many results as it is asked for.
    pub const MAX_LIMIT: usize = 100_000;

    /// Whether its vector is one of this index.
    ///
    /// # Errors
    /// [`IndexError::Model`], [`IndexError::Length`] or [`IndexError::NotFinite`].
    pub fn validate(&self, model: ModelDigest, appearance_len: usize) -> Result<(), IndexError> {
        match &self.vector {
            QueryVector::Description(values) => check_vector("description", values, Description::VECTOR_LEN),
            QueryVector::Appearance(embedding) => check_appearance(embedding, model, appearance_len),
        }
    }

    /// The buckets that can hold a match: a sighting lies in the day it began, which may be before the window.
    pub fn days(&self) -> std::ops::RangeInclusive<Day> {
        let earliest = self.window.from().plus_micros(-IndexEntry::MAX_DURATION_US).day();
        let latest = self.window.to().plus_micros(-1).day();
        earliest..=latest
    }

    /// Whether no sighting can match, whatever is stored.
    pub fn is_empty(&self) -> bool {
        self.limit == 0 || self.cameras.is_empty()
    }

    /// The window in microseconds, within what the engine compares exactly.
    pub fn bounds(&self) -> (i64, i64) {
        let clamp = |t: CaptureTime| t.as_micros().clamp(-IndexEntry::EXACT_US, IndexEntry::EXACT_US);
        (clamp(self.window.from()), clamp(self.window.to()))
    }
}
