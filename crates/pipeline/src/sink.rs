use redact::RedactedCrop;
use types::{Embedding, Sighting};

/// A sighting on its way to the store, with what is kept beside it.
#[derive(Debug)]
pub struct NewSighting {
    /// What was seen.
    pub sighting: Sighting,
    /// The picture of it, redacted.
    pub crop: RedactedCrop,
    /// The appearance vector made from the crop.
    pub embedding: Embedding,
}

/// The store did not take a batch; what it said, ready to show.
#[derive(Debug, thiserror::Error)]
#[error("store sightings")]
pub struct SinkError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Takes sightings for good: when `accept` returns, the batch survives a crash. Accepting a sighting again replaces it.
/// Blocks while the store is slow: a sighting is never dropped.
pub trait SightingSink {
    /// Returns once the batch is stored.
    ///
    /// # Errors
    /// [`SinkError`] where it can't be stored, now or ever. None of it may be taken as stored then.
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError>;
}

impl SightingSink for Vec<NewSighting> {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        self.extend(batch);
        Ok(())
    }
}
