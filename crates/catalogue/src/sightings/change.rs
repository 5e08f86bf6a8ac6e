use sqlx::Row;
use types::{Day, Embedding, Sighting, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, sequence},
    row::{embedding, id},
    sightings::row::sighting,
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
    /// It is there, but its row is not what was stored and can't be used: no index takes it.
    Unusable { seq: u64, row: UnusableRow },
    /// It is no longer in that day.
    Removed { seq: u64, id: SightingId, day: Day },
}

impl Change {
    pub fn seq(&self) -> u64 {
        match self {
            Self::Put { seq, .. } | Self::Unusable { seq, .. } | Self::Removed { seq, .. } => *seq,
        }
    }
}

/// A row that can't be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableRow {
    /// The sighting's id, as far as it is one.
    pub key: Vec<u8>,
    pub day: Day,
    /// What is wrong with it, ready to show.
    pub fault: String,
}

impl UnusableRow {
    /// `None` where not even the id is one.
    pub fn id(&self) -> Option<SightingId> {
        id(&self.key).ok()
    }

    /// The id, or the bytes in its place.
    pub fn subject(&self) -> String {
        self.id().map_or_else(|| self.key.iter().map(|b| format!("{b:02x}")).collect(), |id| id.to_string())
    }
}

fn index_row(row: &DbRow) -> Result<IndexRow, CatalogueError> {
    let sighting = sighting(row)?;
    if let Some(what) = sighting.fault(None) {
        return Err(CatalogueError::Sighting { id: sighting.id, what });
    }
    if sighting.day() != Day(row.try_get("day")?) {
        return Err(CatalogueError::Sighting { id: sighting.id, what: "is filed under another day than it was first seen" });
    }
    Ok(IndexRow { sighting, embedding: embedding(row.try_get("model")?, row.try_get("embedding")?)? })
}

impl Catalogue {
    /// Every row that can't be used. Reads all of them.
    pub async fn unusable_rows(&self) -> Result<Vec<UnusableRow>, CatalogueError> {
        let strays = sqlx::query(
            "SELECT id, day FROM sighting WHERE seq < 1 OR seq > (SELECT value FROM sequence WHERE name = 'change') ORDER BY id",
        )
        .fetch_all(self.reader())
        .await?;
        let stray = |row: &DbRow| -> Result<UnusableRow, CatalogueError> {
            let fault = "its row has a change number that was never given out".to_owned();
            Ok(UnusableRow { key: row.try_get("id")?, day: Day(row.try_get("day")?), fault })
        };
        let mut found = strays.iter().map(stray).collect::<Result<Vec<_>, _>>()?;
        let mut seq = 0;
        loop {
            let changes = self.changes_since(seq, 1_000).await?;
            let Some(last) = changes.last().map(Change::seq) else { return Ok(found) };
            seq = last;
            found.extend(changes.into_iter().filter_map(|change| match change {
                Change::Unusable { row, .. } => Some(row),
                _ => None,
            }));
        }
    }

    /// The next changes after `seq`, at most `limit`, in order. Applied in order and repeated until none is left, they turn
    /// any copy as of `seq` into a copy as of now; a sighting that changed twice is told once.
    pub(crate) async fn changes_since(&self, seq: u64, limit: u32) -> Result<Vec<Change>, CatalogueError> {
        let (after, limit) = (seq.cast_signed(), i64::from(limit));
        // One snapshot for both, or a deletion in between would lose its place.
        let mut tx = self.snapshot().await?;
        // A row with a number that was never given out would end the sequence for whoever follows it.
        let numbered = sequence(&mut *tx, "change").await?;
        let puts = sqlx::query("SELECT * FROM sighting WHERE seq > $1 AND seq <= $3 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(limit)
            .bind(numbered)
            .fetch_all(&mut *tx)
            .await?;
        let removed = sqlx::query("SELECT seq, id, day FROM tombstone WHERE seq > $1 AND seq <= $3 ORDER BY seq LIMIT $2")
            .bind(after)
            .bind(limit)
            .bind(numbered)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let mut changes = Vec::with_capacity(puts.len() + removed.len());
        for row in &puts {
            let seq: i64 = row.try_get("seq")?;
            let seq = seq.unsigned_abs();
            changes.push(match index_row(row) {
                Ok(row) => Change::Put { seq, row: Box::new(row) },
                Err(error) => Change::Unusable {
                    seq,
                    row: UnusableRow { key: row.try_get("id")?, day: Day(row.try_get("day")?), fault: error.to_string() },
                },
            });
        }
        for row in &removed {
            let seq: i64 = row.try_get("seq")?;
            // What is no id is in no index.
            if let Ok(id) = id(row.try_get("id")?) {
                changes.push(Change::Removed { seq: seq.unsigned_abs(), id, day: Day(row.try_get("day")?) });
            }
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
