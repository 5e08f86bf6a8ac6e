use std::fmt;

use types::{AgencyId, CameraId, CaptureTime, Class, Day, Description, Embedding, ModelDigest, Sighting, SightingId};

use crate::IndexError;

/// One sighting as the index knows it.
#[derive(Clone)]
pub struct IndexEntry {
    /// Of the sighting in the catalogue.
    pub id: SightingId,
    /// The bucket; the UTC day of `first`.
    pub day: Day,
    /// Filtered by [`crate::IndexQuery::cameras`].
    pub camera: CameraId,
    /// Whose camera it is.
    pub agency: AgencyId,
    /// Filtered by [`crate::IndexQuery::classes`].
    pub class: Class,
    /// When it was first seen.
    pub first: CaptureTime,
    /// When it was last seen: at most an hour after `first`.
    pub last: CaptureTime,
    /// [`Description::to_vector`].
    pub description: Vec<f32>,
    /// Made by the index's model.
    pub appearance: Embedding,
}

impl fmt::Debug for IndexEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexEntry({} {:?} {} {})", self.id, self.camera, self.class, self.first)
    }
}

impl IndexEntry {
    /// What the index keeps of a sighting, and how it looks.
    pub fn of(sighting: Sighting, appearance: Embedding) -> Self {
        Self {
            day: sighting.day(),
            id: sighting.id,
            camera: sighting.camera,
            agency: sighting.agency,
            class: sighting.class,
            first: sighting.first.time,
            last: sighting.last.time,
            description: sighting.description.to_vector(),
            appearance,
        }
    }

    /// How much longer than `first` an entry may last. Far above [`Sighting::MAX_DURATION`]; a search looks this far
    /// before its window, so a longer one could be missed.
    pub const MAX_DURATION_US: i64 = Sighting::LONGEST_US;

    /// Times beyond this are not exact in the engine's filters.
    pub const EXACT_US: i64 = 1 << 53;

    /// Whether an index of this model and length takes it.
    ///
    /// # Errors
    /// [`IndexError::Length`], [`IndexError::NotFinite`], [`IndexError::Model`] or [`IndexError::Entry`]: what is wrong with it.
    pub fn validate(&self, model: ModelDigest, appearance_len: usize) -> Result<(), IndexError> {
        check_vector("description", &self.description, Description::VECTOR_LEN)?;
        check_appearance(&self.appearance, model, appearance_len)?;
        let (first, last) = (self.first.as_micros(), self.last.as_micros());
        let fault = if self.first.day() != self.day {
            "is filed under another day than it was first seen"
        } else if last < first {
            "ends before it begins"
        } else if last - first > Self::MAX_DURATION_US {
            "lasts longer than an hour; longer tracks must be cut"
        } else if first.abs().max(last.abs()) >= Self::EXACT_US {
            "lies outside the years 1685 to 2254"
        } else {
            return Ok(());
        };
        Err(IndexError::Entry { what: fault })
    }
}

pub(crate) fn check_vector(space: &'static str, values: &[f32], want: usize) -> Result<(), IndexError> {
    if values.len() != want {
        return Err(IndexError::Length { space, want, got: values.len() });
    }
    if values.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(IndexError::NotFinite { space }) }
}

pub(crate) fn check_appearance(embedding: &Embedding, model: ModelDigest, len: usize) -> Result<(), IndexError> {
    if embedding.model() != model {
        return Err(IndexError::Model { want: model, got: embedding.model() });
    }
    check_vector("appearance", embedding.values(), len)
}
