use sqlx::Row as _;

use crate::{CatalogueError, engine::DbRow};

/// Where the leaf of a sighting is: the batch's entry, and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) batch: i64,
    pub(crate) leaf: i64,
}

impl Place {
    /// `None`: nothing commits to the sighting yet.
    pub(crate) fn of(row: &DbRow) -> Result<Option<Self>, CatalogueError> {
        let (batch, leaf) = (row.try_get::<Option<i64>, _>("batch")?, row.try_get::<Option<i64>, _>("leaf")?);
        Ok(batch.zip(leaf).map(|(batch, leaf)| Self { batch, leaf }))
    }
}
