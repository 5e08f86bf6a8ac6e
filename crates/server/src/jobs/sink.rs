use std::{sync::Arc, time::Instant};

use catalogue::{Catalogue, FencingToken, SightingRecord};
use indexer::{IndexSet, store_sightings};
use metrics::histogram;
use pipeline::{NewSighting, SightingSink, SinkError};
use tokio::runtime::Handle;

use crate::telemetry::metrics::names;

/// Catalogue first, then index.
pub(super) struct CatalogueSink {
    pub(super) runtime: Handle,
    pub(super) catalogue: Catalogue,
    pub(super) feed: Arc<IndexSet>,
    /// The job's.
    pub(super) fence: FencingToken,
}

impl SightingSink for CatalogueSink {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        let record = |NewSighting { sighting, crop, embedding }| SightingRecord { sighting, crop, embedding };
        let records: Vec<SightingRecord> = batch.into_iter().map(record).collect();
        let began = Instant::now();
        let stored = self.runtime.block_on(store_sightings(&self.catalogue, &self.feed, &records, &self.fence));
        histogram!(names::STORE_SECONDS, "origin" => "footage").record(began.elapsed());
        stored.map_err(|e| SinkError(Box::new(e)))
    }
}
