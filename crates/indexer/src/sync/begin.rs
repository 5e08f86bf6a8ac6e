//! What is looked at before an index takes its first change: whether it can be right at all.

use std::sync::atomic::Ordering;

use super::{IndexSync, blocking};
use crate::error::SyncError;

impl IndexSync {
    pub(super) async fn begin(&self, at_once: bool) -> Result<(), SyncError> {
        if at_once {
            let caught_up = self.catch_up().await?;
            self.flush().await?;
            if self.is_leader() {
                tracing::info!(changes = caught_up, "index is up to date");
            } else {
                tracing::info!("another server feeds the index");
            }
            return Ok(());
        }
        let _exclusive = self.exclusive.lock().await;
        if self.leads().await? { self.validate().await } else { Ok(()) }
    }

    /// Once, before the first change is taken: an index that can't be right is emptied, so that all is taken again.
    pub(super) async fn validate(&self) -> Result<(), SyncError> {
        if self.validated.load(Ordering::Relaxed) {
            return Ok(());
        }
        let index = self.index.clone();
        let is_empty = blocking(move || {
            match index.ready() {
                Err(error) if error.is_rebuildable() => {
                    tracing::warn!(%error, "index can't be trusted: made again from the catalogue");
                    index.clear()?;
                }
                ready => ready?,
            }
            Ok(index.days()?.is_empty())
        })
        .await?;
        let synced = self.index.durable_seq();
        // A server that was there all the while was waited for, whoever fed the index.
        let forgotten =
            if self.sharing.tombstones_doubted.load(Ordering::Relaxed) { self.catalogue.tombstone_horizon().await? } else { 0 };
        let fault = if synced > self.catalogue.last_change().await? {
            // An older copy of the catalogue was put back: the index knows things that never were.
            Some("index is ahead of the catalogue: made again")
        } else if synced < forgotten && !is_empty {
            // An older copy of the index was put back: it knows things that nothing tells it to forget any more.
            Some("index is older than what was deleted: made again")
        } else {
            None
        };
        if let Some(fault) = fault {
            tracing::warn!("{fault}");
            let index = self.index.clone();
            blocking(move || index.clear()).await?;
        }
        self.validated.store(true, Ordering::Relaxed);
        self.sharing.tombstones_doubted.store(false, Ordering::Relaxed);
        Ok(())
    }
}
