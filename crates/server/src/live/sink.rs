use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use catalogue::{Catalogue, CatalogueError, FencingToken, SightingRecord};
use indexer::{IndexSet, store_good};
use metrics::{counter, histogram};
use pipeline::{NewSighting, SightingSink, SinkError};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use types::Chain;

use crate::telemetry::metrics::names;

/// Holds on to a batch that the store does not take (a full disk, a locked database) until it does: meanwhile the camera
/// loses frames, never a sighting. Only a server that stops gives up, and says how many were lost.
pub(super) struct RetryingSink {
    pub(super) runtime: Handle,
    pub(super) catalogue: Catalogue,
    pub(super) feed: Arc<IndexSet>,
    /// The leave to watch.
    pub(super) fence: FencingToken,
    pub(super) cancel: CancellationToken,
}

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl SightingSink for RetryingSink {
    fn accept(&mut self, batch: Vec<NewSighting>) -> Result<(), SinkError> {
        let record = |NewSighting { sighting, crop, embedding }| SightingRecord { sighting, crop, embedding };
        let records: Vec<SightingRecord> = batch.into_iter().map(record).collect();
        let mut wait = FIRST_WAIT;
        let began = Instant::now();
        loop {
            let stored = self.runtime.block_on(store_good(&self.catalogue, &self.feed, &records, &self.fence));
            let error = match stored {
                Err(error) => error,
                Ok(refused) => {
                    for (n, error) in refused {
                        // Waiting would help nobody, and stop the camera.
                        let sighting = &records[n].sighting;
                        tracing::error!(camera = %sighting.camera, error = %Chain(&error), "a sighting is not stored");
                        counter!(names::SIGHTINGS_LEFT_OUT, "origin" => "live").increment(1);
                    }
                    histogram!(names::STORE_SECONDS, "origin" => "live").record(began.elapsed());
                    return Ok(());
                }
            };
            if matches!(error, CatalogueError::NotOurs { .. }) {
                // What was seen meanwhile the other one has seen too.
                tracing::warn!(sightings = records.len(), "sightings not stored: another server watches the camera");
                return Err(SinkError(Box::new(error)));
            }
            tracing::error!(error = %Chain(&error), sightings = records.len(), "sightings wait: the store does not take them");
            let stopped = self.runtime.block_on(async { tokio::time::timeout(wait, self.cancel.cancelled()).await.is_ok() });
            if stopped {
                tracing::error!(sightings = records.len(), "sightings lost: stopped while the store did not take them");
                return Err(SinkError(Box::new(error)));
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}
