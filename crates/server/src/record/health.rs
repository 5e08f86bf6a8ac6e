//! Whether what is stored is what the record says, as far as anybody looked: at the start what can be told at once, and all of it
//! with each `check`. Health says so; what the record says counts meanwhile.

use std::time::Duration;

use catalogue::{Catalogue, CatalogueError};
use tokio_util::sync::CancellationToken;

use types::Chain;

use crate::base::health::Health;

/// Not serving while something stored is not what the record says. The next clean `check` ends that.
pub(crate) const HEALTH: &str = "sightline.Record";
/// Between two tries to commit to what was found.
const AGAIN: Duration = Duration::from_secs(30);

/// What can be told at the start, without reading every sighting.
pub(crate) async fn differs(catalogue: &Catalogue) -> Result<bool, CatalogueError> {
    let mut differs = false;
    for found in catalogue.check_state().await? {
        tracing::error!(subject = found.subject, "not what the record says: {}", found.message);
        differs = true;
    }
    if catalogue.is_committed_whole().await? {
        let foreign = catalogue.uncommitted_count().await?;
        if foreign > 0 {
            tracing::error!(sightings = foreign, "sightings that no entry of the record commits to: run `sightline check`");
            differs = true;
        }
    }
    Ok(differs)
}

/// Tells the health of the record.
#[derive(Clone)]
pub(crate) struct RecordHealth(Health);

impl RecordHealth {
    pub(crate) fn new(health: Health) -> Self {
        Self(health)
    }

    pub(crate) async fn tell(&self, differs: bool) {
        self.0.set(HEALTH, !differs).await;
    }
}

/// Commits to sightings that were stored before the record committed to any, as they are found: later changes are seen then.
pub(crate) async fn commit_found(catalogue: Catalogue, stop: CancellationToken) {
    let mut after = 0;
    loop {
        let done = tokio::select! { () = stop.cancelled() => return, done = catalogue.commit_found(after) => done };
        match done {
            Ok(Some(next)) => after = next,
            Ok(None) if after == 0 => return,
            Ok(None) => {
                tracing::info!("the record commits to every sighting, to earlier ones as they were found");
                return;
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "the record does not commit to every sighting yet: trying again");
                tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(AGAIN) => {} }
            }
        }
    }
}
