//! Bytes that are gone for good. A row that is deleted leaves its bytes behind: in free pages, in the space between rows, in
//! the write-ahead log.

use sqlx::AssertSqlSafe;
use types::Day;

use crate::{
    Catalogue, CatalogueError,
    engine::{Lock, Tx, sequence},
    sightings::sighting::reserve,
};

impl Catalogue {
    /// Forgets what cases kept of sightings that are gone, and writes anew what held sightings of these days, what opened
    /// commitments, what cases kept, and tombstones, without what was deleted. Needs room for a second copy; who writes meanwhile
    /// waits.
    ///
    /// # Errors
    /// [`CatalogueError::Busy`] if somebody would not let go of the old files: nothing is lost, try again later.
    pub async fn erase(&self, days: &[Day]) -> Result<(), CatalogueError> {
        self.forget_marks_of_the_gone().await?;
        self.erase_files(days).await
    }

    /// Whether there are tombstones of changes up to this one.
    pub async fn has_tombstones(&self, up_to: u64) -> Result<bool, CatalogueError> {
        let query = sqlx::query("SELECT seq FROM tombstone WHERE seq <= $1 LIMIT 1").bind(up_to.cast_signed());
        Ok(query.fetch_optional(self.reader()).await?.is_some())
    }

    /// Forgets tombstones up to a change that every copy has on disk, so that not even the ids of what was discarded stay.
    /// An index that is older needs them and must be rebuilt: see [`Self::tombstone_horizon`].
    pub async fn forget_tombstones(&self, up_to: u64) -> Result<u64, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        // No further than every server's index is.
        let sql = format!("SELECT min(synced) FROM server WHERE expires > {}", self.now_sql());
        let least: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *tx).await?;
        let up_to = least.map_or(up_to, |least| up_to.min(least.unsigned_abs()));
        let gone = sqlx::query("DELETE FROM tombstone WHERE seq <= $1").bind(up_to.cast_signed()).execute(&mut *tx).await?;
        raise_tombstone_horizon(&mut tx, up_to).await?;
        tx.commit().await?;
        Ok(gone.rows_affected())
    }

    /// Index copies older than this change must be rebuilt: the tombstones they would need are gone.
    pub async fn tombstone_horizon(&self) -> Result<u64, CatalogueError> {
        Ok(sequence(self.reader(), "forgotten").await?.unsigned_abs())
    }

    /// A change that changes nothing, for its number.
    pub async fn next_change(&self) -> Result<u64, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        let seq = reserve(&mut tx, 1).await?;
        tx.commit().await?;
        Ok(seq)
    }
}

/// Index copies older than this change must be rebuilt from now on.
pub(crate) async fn raise_tombstone_horizon(tx: &mut Tx, up_to: u64) -> Result<(), CatalogueError> {
    let query = sqlx::query("UPDATE sequence SET value = $1 WHERE name = 'forgotten' AND value < $1").bind(up_to.cast_signed());
    query.execute(&mut **tx).await?;
    Ok(())
}
