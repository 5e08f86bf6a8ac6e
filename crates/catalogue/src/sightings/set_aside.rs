//! Sightings that an index could not take: set aside, so that everything after them goes on.

use sqlx::Row;
use types::ModelDigest;

use crate::{Catalogue, CatalogueError, UnusableRow};

/// A sighting that is in no answer by an index's vectors, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    pub row: UnusableRow,
    /// The change as of which it was set aside: a later state of the sighting is tried anew.
    pub seq: u64,
}

impl Catalogue {
    /// Notes what the index of a model could not take. Noting it again changes nothing.
    pub async fn set_aside(&self, model: ModelDigest, some: &[SetAside]) -> Result<(), CatalogueError> {
        if some.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for SetAside { row, seq } in some {
            sqlx::query(
                "INSERT INTO set_aside (model, sighting, day, seq, fault) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (model, sighting) DO UPDATE SET day = excluded.day, seq = excluded.seq, fault = excluded.fault",
            )
            .bind(model.0.as_slice())
            .bind(row.key.as_slice())
            .bind(row.day.0)
            .bind(seq.cast_signed())
            .bind(row.fault.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What the index of a model could not take and still is as it was then.
    pub async fn sightings_set_aside(&self, model: ModelDigest) -> Result<Vec<SetAside>, CatalogueError> {
        let rows = sqlx::query(
            "SELECT a.sighting, a.day, a.seq, a.fault FROM set_aside a JOIN sighting s ON s.id = a.sighting AND s.seq = a.seq
             WHERE a.model = $1 ORDER BY a.seq",
        )
        .bind(model.0.as_slice())
        .fetch_all(self.reader())
        .await?;
        let read = |row: &crate::engine::DbRow| -> Result<SetAside, CatalogueError> {
            let seq: i64 = row.try_get("seq")?;
            let row =
                UnusableRow { key: row.try_get("sighting")?, day: types::Day(row.try_get("day")?), fault: row.try_get("fault")? };
            Ok(SetAside { row, seq: seq.unsigned_abs() })
        };
        rows.iter().map(read).collect()
    }

    /// How many those are.
    pub async fn set_aside_count(&self, model: ModelDigest) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM set_aside a JOIN sighting s ON s.id = a.sighting AND s.seq = a.seq WHERE a.model = $1",
        )
        .bind(model.0.as_slice())
        .fetch_one(self.reader())
        .await?;
        Ok(count.unsigned_abs())
    }
}
