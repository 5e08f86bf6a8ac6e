//! Whether the index that is searched has every sighting, told to whoever watches the server's health.

use std::{sync::Arc, time::Duration};

use indexer::IndexSet;
use tokio_util::sync::CancellationToken;

use types::Chain;

use crate::base::health::Health;

/// Not serving while there are sightings that the index could not take. Searches go on without them.
pub(crate) const HEALTH: &str = "sightline.Index";

/// How often those are counted anew: another server may feed the index.
const EVERY: Duration = Duration::from_secs(5);

/// Until `stop`.
pub(crate) async fn tell_regularly(feed: Arc<IndexSet>, health: Health, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        let whole = match feed.active().count_set_aside().await {
            Ok(count) => count == 0,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "what the index has set aside can't be told");
                false
            }
        };
        if stop.is_cancelled() {
            return;
        }
        health.set(HEALTH, whole).await;
    }
}
