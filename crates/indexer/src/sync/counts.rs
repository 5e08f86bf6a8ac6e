//! How much an index lacks, and why.

use std::{sync::atomic::Ordering, time::Duration};

use super::{IndexSync, blocking};
use crate::error::SyncError;

impl IndexSync {
    /// How many sightings of another model are not in it, also of an earlier run; once it lacks nothing else.
    pub(super) async fn count_others(&self) -> Result<(), SyncError> {
        let rows = self.catalogue.sighting_count().await?;
        if self.catalogue.last_change().await? > self.index.applied_seq() {
            return Ok(());
        }
        let index = self.index.clone();
        let vectors = blocking(move || index.len().map(|n| n as u64)).await?;
        let aside = self.count_set_aside().await?;
        self.other_model.store(rows.saturating_sub(vectors).saturating_sub(aside), Ordering::Relaxed);
        self.counted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Crops embedded again by this process, and how long one took.
    pub(crate) fn embedded(&self) -> (u64, Duration) {
        self.reembedder.as_ref().map(|e| e.measured()).unwrap_or_default()
    }

    /// How many sightings another model's vectors keep out of searches by likeness.
    pub fn other_model(&self) -> u64 {
        self.other_model.load(Ordering::Relaxed)
    }

    /// How many sightings the index could not take: they are in no search.
    pub fn set_aside(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// As [`Self::set_aside`], asked anew.
    /// # Errors
    /// [`SyncError`] where the catalogue or the index does not answer.
    pub async fn count_set_aside(&self) -> Result<u64, SyncError> {
        let count = self.catalogue.set_aside_count(self.index.spec().model).await?;
        self.set_aside.store(count, Ordering::Relaxed);
        Ok(count)
    }
}
