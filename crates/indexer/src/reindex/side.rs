//! The index beside the one that is searched: opened, closed, and tidied away.

use std::sync::{Arc, atomic::Ordering};

use catalogue::AppearanceModel;
use types::Chain;

use super::{
    ModelChange, ModelError,
    models::{reembedder, share_learned, spec_of},
};
use crate::{error::SyncError, leadership::Leadership, sync::IndexSync};

/// Vectors that change places in one transaction.
const ADOPTED: u32 = 256;

impl ModelChange {
    /// Opens the index beside, if there is to be one.
    pub(super) async fn open_side(&self) -> Result<(), ModelError> {
        let Some(other) = self.appearance().await?.other else { return Ok(()) };
        self.feed.set_shadow(Some(Arc::new(self.open_feed(&other).await?)));
        Ok(())
    }

    pub(super) async fn open_feed(&self, model: &AppearanceModel) -> Result<IndexSync, ModelError> {
        share_learned(&self.catalogue, &self.data, model).await?;
        let spec = spec_of(&self.models, model, &self.data).await?;
        let (leadership, again) = (Leadership::of(&self.cluster, spec.model), Some(reembedder(&self.models, &self.data, model)));
        Ok(IndexSync::open(self.catalogue.clone(), &self.place, leadership, spec, again, false).await?)
    }

    pub(super) async fn close_side(&self) {
        if let Some(shadow) = self.feed.shadow() {
            self.feed.set_shadow(None);
            shadow.retire().await;
        }
    }

    pub(super) async fn forget_side(&self) -> Result<(), ModelError> {
        self.close_side().await;
        self.tidy_models().await
    }

    /// Leaves no vector of a model that has no part any more, and makes those of the current one the sightings' own. Cut short,
    /// the next start does it.
    pub(super) async fn tidy_models(&self) -> Result<(), ModelError> {
        let models = self.appearance().await?;
        if models.other.is_none() && models.chosen {
            while self.catalogue.adopt_embeddings(models.current.model, ADOPTED).await? > 0 {}
        }
        let kept: Vec<_> = std::iter::once(models.current.model).chain(models.other.map(|m| m.model)).collect();
        self.catalogue.delete_embeddings(&kept).await?;
        self.catalogue.forget_embeddings().await?;
        if !models.chosen {
            return Ok(());
        }
        let place = self.place.clone();
        let removed = tokio::task::spawn_blocking(move || place.keep_only(&kept)).await.map_err(|_| SyncError::Thread)?;
        if let Err(error) = &removed {
            tracing::warn!(error = %Chain(error), "an index of another model is left behind: trying again");
        }
        self.untidy.store(removed.is_err(), Ordering::Relaxed);
        Ok(())
    }
}
