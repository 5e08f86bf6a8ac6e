use access::{Hold, HoldState};
use sqlx::Row;
use types::HoldId;

use crate::{
    Catalogue, CatalogueError,
    engine::DbRow,
    row::{document, read_document},
};

/// A legal hold as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHold {
    pub hold: Hold,
    /// Counts its changes, from 1; give it back with a change.
    pub version: u64,
}

impl Catalogue {
    /// # Errors
    /// [`CatalogueError::Exists`] if the id is taken.
    pub async fn add_hold(&self, hold: &Hold) -> Result<StoredHold, CatalogueError> {
        let added = sqlx::query(
            "INSERT INTO hold (id, case_id, version, state, placed, document) VALUES ($1, $2, 1, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(hold.id.as_str())
        .bind(hold.case.as_str())
        .bind(hold.state().as_str())
        .bind(hold.placed.at.as_micros())
        .bind(document(hold)?)
        .execute(self.writer())
        .await?;
        if added.rows_affected() == 0 {
            return Err(CatalogueError::Exists { kind: "hold", id: hold.id.to_string() });
        }
        Ok(StoredHold { hold: hold.clone(), version: 1 })
    }

    pub async fn hold(&self, id: &HoldId) -> Result<Option<StoredHold>, CatalogueError> {
        let row = sqlx::query("SELECT * FROM hold WHERE id = $1").bind(id.as_str()).fetch_optional(self.reader()).await?;
        row.as_ref().map(stored).transpose()
    }

    /// Those that two people agreed to and that are not released. Whether their time is over is for the caller to see.
    pub async fn standing_holds(&self) -> Result<Vec<Hold>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM hold WHERE state IN ('placed', 'release_asked') ORDER BY id");
        query.fetch_all(self.reader()).await?.iter().map(|row| Ok(stored(row)?.hold)).collect()
    }

    /// Replaces a hold that is still at the version it was read with.
    ///
    /// # Errors
    /// [`CatalogueError::Conflict`] if it moved on.
    pub async fn change_hold(&self, before: &StoredHold, after: &Hold) -> Result<StoredHold, CatalogueError> {
        let query = sqlx::query(
            "UPDATE hold SET version = version + 1, state = $3, document = $4 WHERE id = $1 AND version = $2 RETURNING *",
        )
        .bind(after.id.as_str())
        .bind(before.version.cast_signed())
        .bind(after.state().as_str())
        .bind(document(after)?);
        let changed = query.fetch_all(self.writer()).await?;
        changed.first().map_or_else(|| Err(CatalogueError::Conflict { kind: "hold", id: after.id.to_string() }), stored)
    }
}

pub(crate) fn stored(row: &DbRow) -> Result<StoredHold, CatalogueError> {
    let id: String = row.try_get("id")?;
    let hold: Hold = read_document(row.try_get("document")?, || format!("hold {id:?}"))?;
    let state: &str = row.try_get("state")?;
    // The columns are only copies; where they differ somebody edited one of the two.
    if hold.id.as_str() != id || hold.state().as_str() != state || !HoldState::ALL.iter().any(|s| s.as_str() == state) {
        return Err(CatalogueError::unreadable(format!("hold {id:?}")));
    }
    Ok(StoredHold { hold, version: row.try_get::<i64, _>("version")?.unsigned_abs() })
}
