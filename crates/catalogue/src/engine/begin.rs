//! How a catalogue reads and writes: its pools, what differs in the SQL of the two databases, and how a change begins.

use sqlx::{AnyConnection, AnyPool, AssertSqlSafe};
use types::ReceiveTime;

use super::{Lock, Tx, pools::Kind, postgres, sqlite};
use crate::{Catalogue, CatalogueError};

impl Catalogue {
    pub(crate) fn reader(&self) -> &AnyPool {
        &self.inner.engine.reader
    }

    pub(crate) fn writer(&self) -> &AnyPool {
        &self.inner.engine.writer
    }

    /// Whether other servers may have it open too.
    pub fn is_shared(&self) -> bool {
        self.inner.engine.kind == Kind::Postgres
    }

    /// The database's time, in microseconds, as an expression.
    pub(crate) fn now_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            Kind::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Kind::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
        }
    }

    /// The database's time, which decides about leave. PostgreSQL tells it, so that servers whose clocks differ agree; a file of
    /// SQLite has one process, whose clock is the database's. Asked after a lock was waited for, it is not before what was done
    /// under that lock.
    pub(crate) async fn time(&self, connection: &mut AnyConnection) -> Result<ReceiveTime, CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => Ok(ReceiveTime::now()),
            Kind::Postgres => {
                let sql = format!("SELECT {}", self.now_sql());
                crate::row::time(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?)
            }
        }
    }

    /// Ends a query for a row that stays the last of its kind until the transaction ends: see [`Self::succeed_sql`].
    pub(crate) fn last_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            Kind::Sqlite => "",
            // What changes in the row meanwhile does no harm.
            Kind::Postgres => "FOR KEY SHARE",
        }
    }

    /// Ends a query for a row that another one is to follow: waits for those that rely on it as the last.
    pub(crate) fn succeed_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            Kind::Sqlite => "",
            Kind::Postgres => "FOR UPDATE",
        }
    }

    /// How soon a case wants somebody's look, as an expression over its row: 0, an emergency that nobody has reviewed; 1, a case
    /// that waits for an authoriser; 2, any other. The index of the lists has the same text.
    pub(crate) fn urgency_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            Kind::Sqlite => {
                "(CASE WHEN json_valid(document) = 0 THEN 2
        WHEN json_extract(document, '$.grant.emergency') IS NOT NULL AND purpose = 'missing_person'
            AND COALESCE(json_array_length(document, '$.authorisations'), 0) = 0
            AND COALESCE(json_extract(document, '$.closed.ending'), 'closed') <> 'refused' THEN 0
        WHEN state = 'requested' THEN 1 ELSE 2 END)"
            }
            Kind::Postgres => "case_urgency(document, purpose, state)",
        }
    }

    /// Ends a query for a row that nobody else may change until the transaction ends.
    pub(crate) fn row_lock_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            // The one who writes is alone anyway.
            Kind::Sqlite => "",
            Kind::Postgres => "FOR SHARE",
        }
    }

    /// Ends a query for a row to be changed; those that others are changing are passed over.
    pub(crate) fn skip_locked_sql(&self) -> &'static str {
        match self.inner.engine.kind {
            Kind::Sqlite => "",
            Kind::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Starts a change. Waits its turn at once: a change never fails half-way for another one, and what it reads stays as it
    /// is until it commits, as far as others begin theirs in the same way.
    pub(crate) async fn begin(&self) -> Result<Tx, CatalogueError> {
        self.begin_alone(Lock::Rows).await
    }

    /// As [`Self::begin`], for what has a lock of its own.
    pub(crate) async fn begin_alone(&self, what: Lock) -> Result<Tx, CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => Ok(self.writer().begin_with("BEGIN IMMEDIATE").await?),
            Kind::Postgres => {
                let mut tx = self.writer().begin().await?;
                postgres::lock(&mut tx, what).await?;
                Ok(tx)
            }
        }
    }

    /// Waits for one more turn, in a change that is begun: [`Lock::Record`] is always the last.
    pub(crate) async fn lock_in(&self, tx: &mut Tx, what: Lock) -> Result<(), CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => Ok(()),
            Kind::Postgres => postgres::lock(tx, what).await,
        }
    }

    /// Reads that see one moment.
    pub(crate) async fn snapshot(&self) -> Result<Tx, CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => Ok(self.reader().begin().await?),
            Kind::Postgres => Ok(self.reader().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?),
        }
    }

    /// Lets no server delete a crop that no row names until the change that is begun here is over; `None` where there is only
    /// this process, which has [`crate::open::Inner::crops_change`] for that.
    pub(crate) async fn begin_with_crops(&self) -> Result<Option<Tx>, CatalogueError> {
        if !self.is_shared() {
            return Ok(None);
        }
        let mut tx = self.writer().begin().await?;
        postgres::lock_shared(&mut tx, Lock::Crops).await?;
        Ok(Some(tx))
    }

    /// Goes on with what [`Self::begin_with_crops`] began, and changes sightings.
    pub(crate) async fn go_on_with_sightings(&self, begun: Option<Tx>) -> Result<Tx, CatalogueError> {
        let Some(mut tx) = begun else { return self.begin_alone(Lock::Sightings).await };
        postgres::lock(&mut tx, Lock::Sightings).await?;
        Ok(tx)
    }

    /// For as long as what is returned lives nobody else, on no server, stores crops; what is deleted meanwhile stays so.
    pub(crate) async fn crops_alone(&self) -> Result<CropsAlone<'_>, CatalogueError> {
        let here = self.inner.crops_change.lock().await;
        let everywhere = if self.is_shared() { Some(self.begin_alone(Lock::Crops).await?) } else { None };
        Ok(CropsAlone { _here: here, everywhere })
    }

    /// Sees to it that sightings of a day can be stored.
    pub(crate) async fn make_day(&self, tx: &mut Tx, day: types::Day) -> Result<(), CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => Ok(()),
            Kind::Postgres => postgres::make_day(tx, day).await,
        }
    }

    /// Takes away a day's sightings whole: PostgreSQL drops the partition, at once and with nothing left to clean up.
    pub(crate) async fn drop_day(&self, tx: &mut Tx, day: types::Day) -> Result<(), CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => {
                sqlx::query("DELETE FROM sighting WHERE day = $1").bind(day.0).execute(&mut **tx).await?;
                Ok(())
            }
            Kind::Postgres => postgres::drop_day(tx, day).await,
        }
    }

    /// Leaves no byte of what was deleted from these days, nor of what was deleted elsewhere, in the database's files.
    pub(crate) async fn erase_files(&self, days: &[types::Day]) -> Result<(), CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => sqlite::erase(self.writer()).await,
            Kind::Postgres => postgres::erase(self.writer(), days).await,
        }
    }

    /// What the database says of itself; nothing if all is well.
    pub(crate) async fn self_check(&self) -> Result<Vec<String>, CatalogueError> {
        match self.inner.engine.kind {
            Kind::Sqlite => sqlite::self_check(self.reader()).await,
            // Its checksums are looked at whenever a page is read, and a broken one is an error of that query.
            Kind::Postgres => Ok(Vec::new()),
        }
    }
}

/// See [`Catalogue::crops_alone`].
pub(crate) struct CropsAlone<'a> {
    _here: tokio::sync::MutexGuard<'a, ()>,
    everywhere: Option<Tx>,
}

impl CropsAlone<'_> {
    /// Fails where the database took the lock away, as it does from a server that it does not hear from.
    pub(crate) async fn is_held(&mut self) -> Result<(), CatalogueError> {
        if let Some(tx) = &mut self.everywhere {
            sqlx::query("SELECT 1").execute(&mut **tx).await?;
        }
        Ok(())
    }
}
