//! How a figure looks, as one unit vector of at most 256 values: light-discounted colour histograms of four bands of what is
//! figure ([`Silhouette`]) and backbone features of four horizontal stripes ([`PartsFinder`]), made comparable by a learned linear
//! map ([`Projection`]). Only ever made from a [`RedactedCrop`]; erased regions take no part in the colours and are one flat
//! patch to the models.

mod bands;
mod learn;
mod linear;
mod parts;
mod projection;
mod recipe;
mod scale;
mod stripes;

use std::path::Path;

use redact::RedactedCrop;
use sha2::{Digest, Sha256};
use types::{Embedding, ModelDigest};

pub use self::{
    learn::{LearnError, Source, learn},
    parts::{AppearanceParts, PartsFinder},
    projection::{About, Projection},
};
use crate::{error::VisionError, session::output, silhouette::Silhouette, store::ModelStore};

/// Makes appearance vectors.
#[derive(Debug)]
pub struct Embedder {
    parts: PartsFinder,
    projection: Projection,
    digest: ModelDigest,
}

impl Embedder {
    /// With the backbone `name`, else the manifest's default, and the projection of the file `learned`, else the one that
    /// comes with this build. A projection that was fitted on another backbone is refused.
    ///
    /// # Errors
    /// [`VisionError`] where a model is not in the manifest, missing, not what the manifest says, or can't be made a
    /// session; [`VisionError::Projection`] where the projection can't be used.
    pub fn load(store: &ModelStore, name: Option<&str>, learned: Option<&Path>) -> Result<Self, VisionError> {
        let parts = PartsFinder::load(store, name)?;
        let projection = learned.map_or_else(Projection::embedded, Projection::open)?;
        if projection.about().backbone != parts.backbone().to_string() {
            return Err(VisionError::Projection {
                name: learned.map_or_else(|| "built in".into(), |p| p.display().to_string()),
                what: format!("was fitted on another backbone than {}", parts.name()),
            });
        }
        let mut hash = Sha256::new().chain_update(parts.backbone().0);
        if projection.recipe().sees() {
            hash.update(parts.silhouettes().0);
        }
        let hash = hash.chain_update(projection.digest().0).chain_update(&projection.about().recipe);
        Ok(Self { parts, projection, digest: ModelDigest(hash.finalize().into()) })
    }

    /// Of the whole recipe: the models' weights, the projection and every step around them.
    pub fn digest(&self) -> ModelDigest {
        self.digest
    }

    /// Values of a vector.
    pub fn len(&self) -> usize {
        self.projection.len()
    }

    /// Never: a recipe has values.
    pub fn is_empty(&self) -> bool {
        self.projection.is_empty()
    }

    /// What of the crop is its figure, for [`Self::embed_seen`] and [`describe`](crate::describe()).
    ///
    /// # Errors
    /// [`VisionError::Run`] and [`VisionError::Output`] of the model for figures.
    pub fn see(&mut self, crop: &RedactedCrop) -> Result<Silhouette, VisionError> {
        self.parts.see(crop)
    }

    /// The appearance of the crop's subject.
    ///
    /// # Errors
    /// [`VisionError::Run`] and [`VisionError::Output`] of either model.
    pub fn embed(&mut self, crop: &RedactedCrop) -> Result<Embedding, VisionError> {
        let seen = if self.projection.recipe().sees() { self.see(crop)? } else { Silhouette::unknown() };
        self.embed_seen(crop, &seen)
    }

    /// The same, where it was seen before. `seen` is this crop's.
    ///
    /// # Errors
    /// [`VisionError::Run`] and [`VisionError::Output`] of the backbone.
    pub fn embed_seen(&mut self, crop: &RedactedCrop, seen: &Silhouette) -> Result<Embedding, VisionError> {
        let parts = self.parts.by(self.projection.recipe(), crop, seen)?;
        let values = self.projection.apply(&parts).ok_or_else(|| {
            let (b, c) = (parts.backbone.len(), parts.colour.len());
            output(self.parts.name(), format!("{b} values; with {c} of colour they do not fit the projection"))
        })?;
        Embedding::new(self.digest, values).map_err(|e| output(self.parts.name(), e.to_string()))
    }
}
