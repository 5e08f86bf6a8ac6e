//! Sightings, crops and vectors read for nobody's case: one door, with the reason. Nothing of what is read here is shown to
//! anybody; what people ask for is read with a permit (`permitted`).

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use types::{Embedding, ModelDigest, Sighting, SightingId};

use crate::{
    Catalogue, CatalogueError, Change,
    engine::in_lists,
    row::embedding,
    sightings::row::{COLUMNS, readable, sighting},
};

/// Why sightings are read without a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody sees to it that what is stored is whole.
    Check,
    /// An index is fed, or made again.
    Index,
    /// Vectors are made by another model, and held against those there are.
    Reindex,
    /// What was deleted is looked for.
    Deletion,
}

/// What [`Catalogue::maintenance`] gives.
#[derive(Debug, Clone, Copy)]
pub struct Maintenance<'a>(&'a Catalogue);

impl Catalogue {
    /// Reads for no case. Calls are answered with a permit: `scripts/check-architecture` refuses this where that is done.
    pub fn maintenance(&self, reason: Reason) -> Maintenance<'_> {
        tracing::trace!(?reason, "sightings are read for no case");
        Maintenance(self)
    }
}

impl Maintenance<'_> {
    /// In the order asked; those not there, and those whose rows are damaged, are left out.
    pub async fn sightings(&self, ids: &[SightingId]) -> Result<Vec<Sighting>, CatalogueError> {
        let mut found = HashMap::with_capacity(ids.len());
        for (list, some) in in_lists(ids, 1) {
            let query = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} FROM sighting WHERE id IN ({list})")));
            let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
            found.extend(readable(&query.fetch_all(self.0.reader()).await?).map(|sighting| (sighting.id, sighting)));
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    pub async fn sighting(&self, id: SightingId) -> Result<Option<Sighting>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
        query.fetch_optional(self.0.reader()).await?.as_ref().map(sighting).transpose()
    }

    /// The redacted crop as JPEG, as [`redact::RedactedCrop::decode`] reads it; `None` without such a sighting, and where what is
    /// stored is not a crop of ours.
    pub async fn crop(&self, id: SightingId) -> Result<Option<Vec<u8>>, CatalogueError> {
        self.0.crop_of(id).await
    }

    /// The sighting's own vector.
    pub async fn embedding(&self, id: SightingId) -> Result<Option<Embedding>, CatalogueError> {
        let query = sqlx::query_as("SELECT model, embedding FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
        let row: Option<(Vec<u8>, Vec<u8>)> = query.fetch_optional(self.0.reader()).await?;
        row.map(|(model, values)| embedding(&model, &values)).transpose()
    }

    /// The sighting's vector by this model, its own or one that is kept; never another model's.
    pub async fn embedding_by(&self, sighting: SightingId, model: ModelDigest) -> Result<Option<Embedding>, CatalogueError> {
        Ok(self.0.embeddings_by(&[sighting], model).await?.remove(&sighting))
    }

    /// Vectors of `model` that are kept for these sightings, each with the change as of which it was made.
    pub async fn kept_embeddings(
        &self,
        model: ModelDigest,
        sightings: &[SightingId],
    ) -> Result<HashMap<SightingId, (u64, Embedding)>, CatalogueError> {
        self.0.kept_embeddings(model, sightings).await
    }

    /// The next changes after `seq`, at most `limit`, in order. Applied in order and repeated until none is left, they turn
    /// any copy as of `seq` into a copy as of now; a sighting that changed twice is told once.
    pub async fn changes_since(&self, seq: u64, limit: u32) -> Result<Vec<Change>, CatalogueError> {
        self.0.changes_since(seq, limit).await
    }
}
