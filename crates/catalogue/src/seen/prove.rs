//! What an export carries, so that others can check with the log's key alone that a sighting is the one that was stored.

use access::{
    AuditEntry,
    log::{Hash, prove_in_batch},
    seen::{Digests, Salts, crop_digest, row_digest, stature_digest},
};
use sqlx::Row as _;
use types::Sighting;

use crate::{
    Catalogue, CatalogueError,
    seen::{Place, broken, kept, leaves_of, vector_of},
};

/// That an entry of the record commits to a sighting, its crop and its vector.
#[derive(Clone)]
pub struct SeenProof {
    /// The entry.
    pub entry: u64,
    /// Which of how many leaves.
    pub leaf: u64,
    pub count: u64,
    pub salts: Salts,
    /// The digest of the appearance vector.
    pub vector: [u8; 32],
    /// From the leaf's sibling up.
    pub proof: Vec<Hash>,
}

impl std::fmt::Debug for SeenProof {
    /// Without the salts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SeenProof({} of {} in entry {})", self.leaf, self.count, self.entry)
    }
}

impl Catalogue {
    /// Proves that this is the sighting, and this its crop, that the record commits to.
    ///
    /// # Errors
    /// [`CatalogueError::NotAsStored`] where it is not.
    pub async fn prove_seen(&self, sighting: &Sighting, jpeg: &[u8]) -> Result<SeenProof, CatalogueError> {
        let other = |what: &'static str| CatalogueError::NotAsStored { id: sighting.id, what };
        let mut tx = self.snapshot().await?;
        let query = sqlx::query("SELECT model, embedding, batch, leaf, salt, digests FROM sighting WHERE id = $1");
        let row = query.bind(sighting.id.0.as_bytes().as_slice()).fetch_optional(&mut *tx).await?;
        let row = row.ok_or_else(|| other("it is gone"))?;
        let place = Place::of(&row)?.ok_or_else(|| other("no entry of the record commits to it"))?;
        let query = sqlx::query("SELECT leaves, entry FROM commitment WHERE entry = $1").bind(place.batch);
        let leaves: Option<Vec<u8>> = query.fetch_optional(&mut *tx).await?.map(|row| row.try_get("leaves")).transpose()?;
        let query = sqlx::query("SELECT entry FROM audit WHERE seq = $1").bind(place.batch);
        let entry: Option<Vec<u8>> = query.fetch_optional(&mut *tx).await?.map(|row| row.try_get("entry")).transpose()?;
        tx.commit().await?;

        let (Some((salts, digests)), Some(vector)) = (kept(&row)?, vector_of(&row)?) else {
            return Err(other("what opens its commitment is damaged"));
        };
        let stature = stature_digest(&salts.stature, sighting.description.stature);
        let now = Digests { row: row_digest(sighting, &stature), crop: crop_digest(jpeg), vector };
        let leaves = leaves_of(&leaves.unwrap_or_default());
        let (leaf, count) = (u64::try_from(place.leaf).unwrap_or(u64::MAX), leaves.len() as u64);
        let committed = usize::try_from(leaf).ok().and_then(|leaf| leaves.get(leaf));
        if committed != Some(&now.leaf(&salts.leaf)) {
            return Err(other(match () {
                () if now.crop != digests.crop => "its crop is not the one that was stored",
                () if now.row != digests.row => "its row is not what was stored",
                () if now.vector != digests.vector => "its appearance vector is not the one that was stored",
                () => "it is not what the record commits to",
            }));
        }
        let seen = entry.and_then(|bytes| AuditEntry::from_bytes(&bytes).ok()?.detail.seen);
        let root = access::log::batch_root(&leaves).map_err(broken)?;
        if seen.is_none_or(|seen| seen.root() != Some(root) || u64::from(seen.count) != count) {
            return Err(other("the leaves beside the record are not what its entry commits to"));
        }
        let proof = prove_in_batch(&leaves, leaf).map_err(broken)?;
        Ok(SeenProof { entry: place.batch.unsigned_abs(), leaf, count, salts, vector, proof })
    }
}
