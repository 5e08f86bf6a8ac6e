use sqlx::Row;
use types::{Day, Embedding, Sighting, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::sequence,
    row::{embedding, id},
    sighting::sighting,
};

/// A sighting as an index needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexRow {
    pub sighting: Sighting,
    pub embedding: Embedding,
}

/// What became of a sighting.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is there, as it is now.
    Put { seq: u64, row: Box<IndexRow> },
    /// It is no longer in that day.
    Removed { seq: u64, id: SightingId, day: Day },
}

impl Change {
    pub fn seq(&self) -> u64 {
        match self {
            Self::Put { seq, .. } | Self::Removed { seq, .. } => *seq,
        }
    }
}

impl Catalogue {
    /// The next changes after `seq`, at most `limit`, in order. Applied in order and repeated until none is left, they turn
    /// any copy as of `seq` into a copy as of now; a sighting that changed twice is told once.
    pub async fn changes_since(&self, seq: u64, limit: u32) -> Result<Vec<Change>, CatalogueError> {
        let (after, limit) = (seq.cast_signed(), i64::from(limit));
        // One snapshot for both, or a deletion in between would lose its place.
        let mut tx = self.snapshot().await?;
        let puts = sqlx::query("SELECT * FROM sighting WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
        let removed = sqlx::query("SELECT seq, id, day FROM tombstone WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut changes = Vec::with_capacity(puts.len() + removed.len());
        for row in &puts {
            let seq: i64 = row.try_get("seq")?;
            let embedding = embedding(row.try_get("model")?, row.try_get("embedding")?)?;
            changes
                .push(Change::Put { seq: seq.unsigned_abs(), row: Box::new(IndexRow { sighting: sighting(row)?, embedding }) });
        }
        for row in &removed {
            let seq: i64 = row.try_get("seq")?;
            changes.push(Change::Removed { seq: seq.unsigned_abs(), id: id(row.try_get("id")?)?, day: Day(row.try_get("day")?) });
        }
        changes.sort_unstable_by_key(Change::seq);
        changes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(changes)
    }

    /// The number of the last change; 0 before the first.
    pub async fn last_change(&self) -> Result<u64, CatalogueError> {
        Ok(sequence(self.reader(), "change").await?.unsigned_abs())
    }
}
