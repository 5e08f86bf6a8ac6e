use std::sync::Arc;

use catalogue::{Catalogue, SightingRecord};
use pipeline::{NewSighting, SightingSink, SinkError};
use tokio::runtime::Handle;

use crate::{feed::IndexFeed, status::chain};

/// Catalogue first, then index.
pub(super) struct CatalogueSink {
    pub(super) runtime: Handle,
    pub(super) catalogue: Catalogue,
    pub(super) feed: Arc<IndexFeed>,
}

impl SightingSink for CatalogueSink {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        let records: Vec<SightingRecord> = batch
            .into_iter()
            .map(|NewSighting { sighting, crop, embedding }| SightingRecord { sighting, crop, embedding })
            .collect();
        self.runtime.block_on(self.catalogue.put_sightings(&records)).map_err(|e| SinkError(Box::new(e)))?;
        // The sightings are safe: an index that can't take them now catches up later, and searches say so meanwhile.
        if let Err(error) = self.runtime.block_on(self.feed.catch_up()) {
            tracing::error!(error = %chain(&error), "index lags behind the catalogue");
        }
        Ok(())
    }
}
