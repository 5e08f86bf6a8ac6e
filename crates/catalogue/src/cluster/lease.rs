//! What only one of several servers may do at a time: a row with a holder, an end and an epoch. Time is the database's, so
//! that servers whose clocks differ agree.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use types::JobId;

use crate::{Catalogue, CatalogueError, row::micros};

/// Leave to do something until it runs out, or is another server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLease {
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl ClusterLease {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grows with each time that it is taken.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Leave to work on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    pub(crate) job: JobId,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl JobLease {
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Grows with each time that the job is taken.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Catalogue {
    /// Takes a turn that is nobody's; whoever had it before, the same holder too, has it no more. `None`: it is another's.
    pub async fn acquire_lease(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<ClusterLease>, CatalogueError> {
        let free = format!("turn.holder = excluded.holder OR turn.expires <= {}", self.now_sql());
        self.acquire_lease_where(&free, name, holder, lasts).await
    }

    /// As [`Self::acquire_lease`], from whoever has it.
    pub async fn force_acquire_lease(
        &self,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<ClusterLease>, CatalogueError> {
        self.acquire_lease_where("TRUE", name, holder, lasts).await
    }

    async fn acquire_lease_where(
        &self,
        condition: &str,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<ClusterLease>, CatalogueError> {
        let sql = format!(
            "INSERT INTO turn (name, holder, epoch, expires) VALUES ($1, $2, 1, {now} + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires, epoch = turn.epoch + 1,
                said = NULL
             WHERE {condition} RETURNING epoch",
            now = self.now_sql()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(name).bind(holder).bind(micros(lasts));
        let epoch: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        Ok(epoch.map(|epoch| ClusterLease { name: name.to_owned(), holder: holder.to_owned(), epoch: epoch.unsigned_abs() }))
    }

    /// Makes it last longer, also where it has run out and nobody took it. `false`: it is another's by now.
    pub async fn renew_lease(&self, lease: &ClusterLease, lasts: Duration) -> Result<bool, CatalogueError> {
        let sql = format!("UPDATE turn SET expires = {} + $4 WHERE name = $1 AND holder = $2 AND epoch = $3", self.now_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&lease.name).bind(&lease.holder).bind(lease.epoch.cast_signed());
        Ok(query.bind(micros(lasts)).execute(self.writer()).await?.rows_affected() == 1)
    }

    /// Others need not wait for its end. No error if it is another's by now.
    pub async fn release_lease(&self, lease: &ClusterLease) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE turn SET expires = 0, said = NULL WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Tells the others something, for as long as the turn lasts. `false`: it is another's by now.
    pub async fn publish_progress(&self, lease: &ClusterLease, what: &[u8]) -> Result<bool, CatalogueError> {
        let said = sqlx::query("UPDATE turn SET said = $4 WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .bind(what)
            .execute(self.writer())
            .await?;
        Ok(said.rows_affected() == 1)
    }

    /// What whoever has a turn told last.
    pub async fn read_progress(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        let sql = format!("SELECT said FROM turn WHERE name = $1 AND expires > {}", self.now_sql());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(self.reader()).await?;
        Ok(row.map(|row| row.try_get("said")).transpose()?.flatten())
    }
}
