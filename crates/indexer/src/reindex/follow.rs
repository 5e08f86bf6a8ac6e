//! What goes on beside the calls: the index beside is fed, and what other servers did is taken over.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use catalogue::ModelPlace;
use tokio_util::sync::CancellationToken;
use types::Chain;

use super::{ModelChange, ModelError, Models, compare};
use crate::sync::IndexSync;

/// Changes that the index beside takes at once: a stop waits for so many crops at most.
const BATCH: u32 = 64;
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl ModelChange {
    /// Feeds the index beside until `stop`, and compares the models once it has everything.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! { () = stop.cancelled() => return, () = self.feed.grown() => {}, () = tokio::time::sleep(LOOK_AGAIN) => {} }
            if self.untidy.load(Ordering::Relaxed)
                && let Err(error) = self.tidy_models().await
            {
                tracing::error!(error = %Chain(&error), "models not tidied: trying again");
            }
            let Some(shadow) = self.feed.shadow() else { continue };
            loop {
                if stop.is_cancelled() {
                    return;
                }
                match shadow.catch_up_some(BATCH).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(error = %Chain(&error), "reindex: trying again");
                        break;
                    }
                }
            }
            drop(shadow);
            // What was deleted meanwhile leaves nothing behind.
            if let Err(error) = self.catalogue.forget_embeddings().await {
                tracing::error!(error = %Chain(&error), "vectors of what is gone not deleted: trying again");
            }
            if let Err(error) = self.compare_when_ready().await {
                tracing::error!(error = %Chain(&error), "models not compared: trying again");
            }
        }
    }

    /// Takes over what other servers of the catalogue did: models they chose, days they purged. Where they took this one for gone
    /// meanwhile, its index is made again or, where it is shared, validated. Does nothing where there are no others.
    ///
    /// # Errors
    /// [`ModelError`]; whoever calls it again goes on where it was.
    pub async fn follow_others(&self) -> Result<(), ModelError> {
        let Some(state) = self.cluster.state() else { return Ok(()) };
        let shared = self.cluster.shares_index();
        if state.was_away.load(Ordering::Relaxed) {
            if shared {
                // As far as it may have missed something, and feeds the index.
                self.feed.invalidate();
            } else {
                self.feed.rebuild_all().await?;
            }
            state.was_away.store(false, Ordering::Relaxed);
        }
        if shared {
            self.follow_models().await?;
        }
        self.feed.catch_up().await?;
        let announced = self.catalogue.purges_since(state.purged.load(Ordering::Relaxed)).await?;
        let done = self.feed.carry_out(&announced).await;
        state.purged.fetch_max(self.feed.purged(), Ordering::Relaxed);
        Ok(done?)
    }

    /// Has the models searched, and made beside, that another server chose.
    async fn follow_models(&self) -> Result<(), ModelError> {
        // Else this server is at it itself.
        let Ok(_one) = self.exclusive.try_lock() else { return Ok(()) };
        let Models { current, other, .. } = self.appearance().await?;
        let of = |feed: &IndexSync| feed.index().spec().model;
        if of(&self.feed.active()) != current.model {
            if self.feed.shadow().is_some_and(|shadow| of(&shadow) == current.model) {
                self.feed.exchange();
            } else {
                self.feed.set_active(self.open_feed(&current).await?).retire().await;
            }
            tracing::info!(model = %current.model.short(), "another model's vectors are searched from now on");
        }
        if self.feed.shadow().as_deref().map(of) != other.map(|m| m.model) {
            self.close_side().await;
            self.open_side().await?;
        }
        Ok(())
    }

    /// Compares the models where that was not done; the search of it is this process's own and reads no crop.
    async fn compare_when_ready(&self) -> Result<(), ModelError> {
        let progress = self.progress().await?;
        let next = progress.other.filter(|m| m.place == ModelPlace::Next);
        let (Some(_), None, 0) = (next, progress.comparison, progress.left) else { return Ok(()) };
        // By whoever feeds it.
        let Some(shadow) = self.feed.shadow().filter(|shadow| shadow.is_leader()) else { return Ok(()) };
        let comparison = compare::compare(&self.catalogue, &self.feed.index(), shadow.index()).await?;
        tracing::info!(?comparison, "models compared");
        let text = serde_json::to_string(&comparison).unwrap_or_default();
        Ok(self.catalogue.note_comparison(&text).await?)
    }
}
