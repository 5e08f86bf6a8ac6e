//! What other servers of the catalogue did is taken over within a second: revoked certificates, purged days, chosen models.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use types::Chain;

use crate::{
    edge::callers::Callers,
    store::{Store, StoreError},
};

/// How often it is looked what other servers did: a revoked certificate ends within this time.
const FOLLOW: Duration = Duration::from_millis(500);

/// Keeps this server's own copies what the others' changes say, until `stop`. Does nothing where there are no others.
pub(crate) async fn follow(store: Arc<Store>, callers: Arc<Callers>, stop: CancellationToken) {
    if !store.cluster.is_shared() {
        return;
    }
    let mut tick = tokio::time::interval(FOLLOW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Twice a second for as long as the index or the database is away: said once.
    let mut behind = false;
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        match follow_others(&store, &callers).await {
            Err(error) if !behind => {
                tracing::error!(error = %Chain(&error), "what other servers did is not taken over; trying until it is");
                behind = true;
            }
            Err(error) => tracing::debug!(error = %Chain(&error), "what other servers did is still not taken over"),
            Ok(()) if behind => {
                tracing::info!("what other servers did is taken over again");
                behind = false;
            }
            Ok(()) => {}
        }
    }
}

async fn follow_others(store: &Store, callers: &Callers) -> Result<(), StoreError> {
    let catalogue = &store.catalogue;
    for revoked in catalogue.revoked_identities().await? {
        if !callers.is_revoked(&revoked.serial) {
            callers.revoke(&revoked.serial);
        }
    }
    for serial in catalogue.revoked_on_record().await? {
        if !callers.is_revoked(&serial) {
            callers.revoke(&serial);
        }
    }
    if catalogue.audit_len().await? > store.log.measures().entries {
        store.log.has_grown();
    }
    Ok(store.reindex.follow_others().await?)
}
