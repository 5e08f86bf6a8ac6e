use access::Case;
use sqlx::Row;

use crate::{CatalogueError, Spent, engine::DbRow, row::read_document};

/// A case as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCase {
    pub case: Case,
    /// Counts its changes, from 1; give it back with a change.
    pub version: u64,
    pub spent: Spent,
}

/// As the table has it. Whoever decides by it asks [`Catalogue::as_recorded`].
pub(crate) fn stored(row: &DbRow) -> Result<StoredCase, CatalogueError> {
    let id: String = row.try_get("id")?;
    let case: Case = read_document(row.try_get("document")?, || format!("case {id:?}"))?;
    // The columns are only copies; where they differ somebody edited one of the two.
    if case.id().as_str() != id || case.state().as_str() != row.try_get::<&str, _>("state")? {
        return Err(CatalogueError::unreadable(format!("case {id:?}")));
    }
    let number = |column: &str| -> Result<u64, CatalogueError> { Ok(row.try_get::<i64, _>(column)?.unsigned_abs()) };
    let spent = Spent { queries: number("spent_queries")?, results: number("spent_results")? };
    Ok(StoredCase { case, version: number("version")?, spent })
}
