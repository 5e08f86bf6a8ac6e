//! Which models there are, what their vectors are, and the files of their learned steps.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use catalogue::{AppearanceModel, Catalogue, ModelPlace};
use index::IndexSpec;
use types::{ModelDigest, ReceiveTime};
use vision::{Embedder, ModelStore, Projection, VisionError};

use super::error::ModelError;
use crate::{error::SyncError, reembedder::Reembedder};

/// Which models there are, and which the cameras and footage are looked at with.
#[derive(Debug, Clone)]
pub struct Models {
    pub(super) current: AppearanceModel,
    pub(super) other: Option<AppearanceModel>,
    /// Somebody chose the current one here and not in the configuration.
    pub(super) chosen: bool,
}

impl Models {
    /// Those the catalogue names, else the configuration's.
    pub(super) async fn read(catalogue: &Catalogue, configured: &AppearanceModel) -> Result<Self, ModelError> {
        let mut all = catalogue.appearance_models().await?;
        let mut take = |place| all.iter().position(|m| m.place == place).map(|i| all.swap_remove(i));
        let current = take(ModelPlace::Current);
        let other = take(ModelPlace::Next).or_else(|| take(ModelPlace::Previous));
        let chosen = current.is_some() || other.is_some();
        Ok(Self { current: current.unwrap_or_else(|| configured.clone()), other, chosen })
    }

    /// The model that sees: the one searched, or the one before until it is dropped.
    pub fn sees(&self) -> &AppearanceModel {
        self.other.as_ref().filter(|m| m.place == ModelPlace::Previous).unwrap_or(&self.current)
    }
}

/// Which model makes a vector: that of the index that is asked.
#[derive(Debug, Clone)]
pub struct MadeBy {
    /// What its vectors say of themselves.
    pub model: ModelDigest,
    /// Name of the backbone in the manifest; `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of the learned step; `None`: the one built in.
    pub appearance: Option<PathBuf>,
}

pub(super) fn learned(data: &Path, model: &AppearanceModel) -> Option<PathBuf> {
    // Absolute where the configuration names it.
    model.appearance.as_ref().map(|name| data.join("appearance").join(name))
}

pub(super) fn reembedder(models: &ModelStore, data: &Path, model: &AppearanceModel) -> Arc<Reembedder> {
    Arc::new(Reembedder::new(models.clone(), model.embedder.clone(), learned(data, model)))
}

/// Sees to it that the file of a model's learned step is here and in the catalogue: one server alone may have been given it, at a
/// time when it was not kept there.
pub(super) async fn share_learned(catalogue: &Catalogue, data: &Path, model: &AppearanceModel) -> Result<(), ModelError> {
    let Some(name) = model.appearance.as_deref().filter(|name| !Path::new(name).is_absolute()) else { return Ok(()) };
    let (file, kept) = (data.join("appearance").join(name), catalogue.learned(name).await?);
    let kept = match (file.exists(), kept) {
        (false, Some(kept)) => kept,
        (true, None) => {
            let here = tokio::fs::read(&file).await.map_err(|source| VisionError::Read { file, source })?;
            return Ok(catalogue.keep_learned(name, &here).await?);
        }
        _ => return Ok(()),
    };
    let (folder, name) = (data.join("appearance"), name.to_owned());
    Ok(tokio::task::spawn_blocking(move || put_learned(&folder, &name, &kept)).await.map_err(|_| SyncError::Thread)??)
}

/// There whole, or not at all, also after a power cut.
pub(super) fn put_learned(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), VisionError> {
    let file = folder.join(name);
    durable::write(&file, bytes).map_err(|source| VisionError::Read { file, source })
}

/// After an upgrade to a build of another recipe: what was stored is searched by the recipe that made it, and new sightings get its
/// vectors, until somebody reindexes. Looks at what saw last, and notes the choice as a reindex does.
pub(super) async fn keep_recipe(
    catalogue: &Catalogue,
    models: &ModelStore,
    data: &Path,
    found: Models,
) -> Result<Models, ModelError> {
    // A file of its own says which recipe it is of.
    if found.current.appearance.is_some() {
        return Ok(found);
    }
    let made_by = if found.chosen { Some(found.current.model) } else { catalogue.last_seen_by().await? };
    let Some(made_by) = made_by else { return Ok(found) };
    if spec_of(models, &found.current, data).await?.model == made_by {
        return Ok(found);
    }
    let folder = data.join("appearance");
    let keep = move || -> Result<Vec<String>, VisionError> {
        let put = |before: Projection| {
            let name = format!("{}.projection", before.digest());
            put_learned(&folder, &name, &before.write()).map(|()| name)
        };
        Projection::embedded_before()?.into_iter().map(put).collect()
    };
    for name in tokio::task::spawn_blocking(keep).await.map_err(|_| SyncError::Thread)?? {
        let before =
            AppearanceModel { place: ModelPlace::Current, model: made_by, appearance: Some(name), ..found.current.clone() };
        if spec_of(models, &before, data).await?.model == made_by {
            catalogue.choose_model(&before).await?;
            tracing::warn!(
                "this build has a better recipe for appearances; the one of before is searched until `sightline reindex start`"
            );
            return Models::read(catalogue, &before).await;
        }
    }
    // Another embedder, or a configuration that was changed: as it ever was.
    Ok(found)
}

/// The model that the configuration names.
#[derive(Debug, Clone)]
pub struct ConfiguredModel {
    /// Name of the backbone in the manifest; `None`: the manifest's default.
    pub embedder: Option<String>,
    /// File of the learned step; `None`: the one built in.
    pub appearance: Option<PathBuf>,
}

impl ConfiguredModel {
    /// Loads it to learn what its vectors are.
    pub(super) async fn known(self, models: &ModelStore, data: &Path) -> Result<AppearanceModel, ModelError> {
        let named = AppearanceModel {
            place: ModelPlace::Current,
            model: ModelDigest([0; 32]),
            embedder: self.embedder,
            // As given, whatever the folder is that names of kept files are in.
            appearance: self.appearance.map(|p| std::path::absolute(&p).unwrap_or(p).display().to_string()),
            since: ReceiveTime::now(),
            comparison: None,
        };
        let model = spec_of(models, &named, data).await?.model;
        Ok(AppearanceModel { model, ..named })
    }
}

/// Loads the model to learn what its vectors are.
pub(super) async fn spec_of(models: &ModelStore, model: &AppearanceModel, data: &Path) -> Result<IndexSpec, ModelError> {
    let (models, embedder, learned) = (models.clone(), model.embedder.clone(), learned(data, model));
    let load = move || {
        let embedder = Embedder::load(&models, embedder.as_deref(), learned.as_deref())?;
        Ok::<_, VisionError>(IndexSpec { model: embedder.digest(), appearance_len: embedder.len() })
    };
    Ok(tokio::task::spawn_blocking(load).await.map_err(|_| SyncError::Thread)??)
}
