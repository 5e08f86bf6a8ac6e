//! Leases of tasks that only one of several servers may do at a time: a row with a holder, an end and an epoch. A lease
//! ends by the database's clock, so that servers whose clocks differ agree.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use types::JobId;

use crate::{Catalogue, CatalogueError, row::micros};

/// A lease of a task of the cluster, such as the deletion of what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLease {
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl ClusterLease {
    /// Which task.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grows each time that the lease is acquired.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// A lease of a footage job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    pub(crate) job: JobId,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl JobLease {
    /// Which job.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Grows each time that the job is taken.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Catalogue {
    /// Acquires a lease that nobody holds. An earlier lease of the same holder is superseded. `None`: another server holds it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn acquire_lease(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<ClusterLease>, CatalogueError> {
        let free = format!("cluster_lease.holder = excluded.holder OR cluster_lease.expires <= {}", self.now_sql());
        self.acquire_lease_where(&free, name, holder, lasts).await
    }

    /// As [`Self::acquire_lease`], also where another server holds it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
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
            "INSERT INTO cluster_lease (name, holder, epoch, expires) VALUES ($1, $2, 1, {now} + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires,
                epoch = cluster_lease.epoch + 1, progress = NULL
             WHERE {condition} RETURNING epoch",
            now = self.now_sql()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(name).bind(holder).bind(micros(lasts));
        let epoch: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        Ok(epoch.map(|epoch| ClusterLease { name: name.to_owned(), holder: holder.to_owned(), epoch: epoch.unsigned_abs() }))
    }

    /// Renews a lease, also one that has expired and that nobody acquired. `false`: it is superseded.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn renew_lease(&self, lease: &ClusterLease, lasts: Duration) -> Result<bool, CatalogueError> {
        let sql =
            format!("UPDATE cluster_lease SET expires = {} + $4 WHERE name = $1 AND holder = $2 AND epoch = $3", self.now_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&lease.name).bind(&lease.holder).bind(lease.epoch.cast_signed());
        Ok(query.bind(micros(lasts)).execute(self.writer()).await?.rows_affected() == 1)
    }

    /// Releases a lease, so that others need not wait for its end. No error if it is superseded.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn release_lease(&self, lease: &ClusterLease) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE cluster_lease SET expires = 0, progress = NULL WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Publishes something to the other servers, for as long as the lease lasts. `false`: the lease is superseded.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn publish_progress(&self, lease: &ClusterLease, what: &[u8]) -> Result<bool, CatalogueError> {
        let done = sqlx::query("UPDATE cluster_lease SET progress = $4 WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .bind(what)
            .execute(self.writer())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// What the holder of a lease published last; `None`: nobody holds it, or its holder published nothing.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn read_progress(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        let sql = format!("SELECT progress FROM cluster_lease WHERE name = $1 AND expires > {}", self.now_sql());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(self.reader()).await?;
        Ok(row.map(|row| row.try_get("progress")).transpose()?.flatten())
    }
}
