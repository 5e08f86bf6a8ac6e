//! What a leaf is made of, and the leaves of a batch.

use access::{
    log::{Hash, LogError},
    seen::{Digests, Salts, crop_digest, row_digest, stature_digest, vector_digest},
};
use sqlx::Row as _;
use types::{Embedding, ModelDigest, Sighting};

use crate::{CatalogueError, engine::DbRow, row::embedding_bytes};

/// Bytes of a leaf.
const LEAF: usize = 32;
/// What commits to a sighting, before its place is known.
#[derive(Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) salts: Salts,
    pub(crate) digests: Digests,
}

impl Leaf {
    pub(crate) fn new(sighting: &Sighting, jpeg: &[u8], embedding: &Embedding) -> Self {
        let vector = vector_digest(&embedding.model(), &embedding_bytes(embedding));
        Self::of(sighting, crop_digest(jpeg), vector)
    }

    pub(super) fn of(sighting: &Sighting, crop: [u8; 32], vector: [u8; 32]) -> Self {
        let salts = Salts { leaf: rand::random(), stature: rand::random() };
        let stature = stature_digest(&salts.stature, sighting.description.stature);
        Self { salts, digests: Digests { row: row_digest(sighting, &stature), crop, vector } }
    }

    pub(crate) fn hash(&self) -> Hash {
        self.digests.leaf(&self.salts.leaf)
    }
}

/// The digest of a row's own vector, as far as it says a model.
pub(crate) fn vector_of(row: &DbRow) -> Result<Option<[u8; 32]>, CatalogueError> {
    let (model, vector): (Vec<u8>, Vec<u8>) = (row.try_get("model")?, row.try_get("embedding")?);
    Ok(model.try_into().ok().map(|model| vector_digest(&ModelDigest(model), &vector)))
}

/// Salts and digests beside a row; `None` where there are none, or they are damaged.
pub(crate) fn kept(row: &DbRow) -> Result<Option<(Salts, Digests)>, CatalogueError> {
    let (salt, digests): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.try_get("salt")?, row.try_get("digests")?);
    let salts = salt.as_deref().and_then(Salts::from_bytes);
    Ok(salts.zip(digests.as_deref().and_then(Digests::from_bytes)))
}

/// One leaf of a batch.
pub(crate) fn leaf_at(leaves: &[u8], leaf: i64) -> Option<Hash> {
    leaves.as_chunks::<LEAF>().0.get(usize::try_from(leaf).ok()?).map(|leaf| Hash(*leaf))
}

/// The leaves of a batch.
pub(crate) fn leaves_of(leaves: &[u8]) -> Vec<Hash> {
    leaves.as_chunks::<LEAF>().0.iter().map(|leaf| Hash(*leaf)).collect()
}

pub(crate) fn broken(error: LogError) -> CatalogueError {
    CatalogueError::Database(Box::new(error))
}
