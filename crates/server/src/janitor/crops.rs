//! Crops that a crash left without a sighting.

use std::{sync::Arc, time::Duration};

use catalogue::{CatalogueError, Cluster, lease_names};
use types::Chain;

/// How long another server's sweep is waited for.
const SWEEPING: Duration = Duration::from_secs(600);

/// Takes away crops that a crash left without a sighting, once, in the background: a bucket may hold millions. A server that is
/// alone did so before it opened.
pub(crate) async fn sweep_crops(cluster: Arc<Cluster>) {
    if !cluster.is_shared() {
        return;
    }
    let swept: Result<u64, CatalogueError> = async {
        let _held = cluster.wait_for_lease(lease_names::SWEEP, SWEEPING).await?;
        cluster.catalogue().sweep_orphans().await
    }
    .await;
    match swept {
        Ok(0) => {}
        Ok(crops) => tracing::info!(crops, "crops without a sighting removed"),
        Err(error) => tracing::error!(error = %Chain(&error), "crops without a sighting are not looked for"),
    }
}
