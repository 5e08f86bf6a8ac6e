//! The two databases a catalogue can lie in: SQLite, a file, and PostgreSQL, which many servers share. Queries are one and
//! the same text for both, through sqlx's `Any` driver; what differs between the two is in here.
//!
//! What a query must keep to, so that both understand it: `$n`; values that are `i32`, `i64`, `f32`, `f64`, text or bytes, so
//! no `bool`, no `u32`; `ON CONFLICT`, not `OR REPLACE`; [`Catalogue::begin`] before rows are read to be changed;
//! `fetch_all` for a `RETURNING` outside of a transaction, since `fetch_optional` is back with the row before PostgreSQL has
//! committed it; and `persistent(false)` where an `f64` may be missing, since `Any` (0.9) says `f32` of a missing one and
//! PostgreSQL remembers that for the next.

mod migrations;
mod postgres;
mod sqlite;

use std::{fmt, path::PathBuf};

use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, any::AnyRow};
use types::ReceiveTime;

pub use postgres::PostgresUrl;

use crate::{Catalogue, CatalogueError};

pub(crate) type Tx = sqlx::Transaction<'static, Any>;
pub(crate) type DbRow = AnyRow;

/// Where the rows of a catalogue lie.
#[derive(Debug, Clone)]
pub enum Database {
    /// The SQLite file; made if missing, its folder too. One process at a time.
    File(PathBuf),
    /// A database of PostgreSQL, 14 or newer, for as many servers as there are; made by whoever runs it.
    Postgres(PostgresUrl),
}

impl From<PathBuf> for Database {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

impl fmt::Display for Database {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// An opened database.
pub(crate) struct Engine {
    pub(crate) kind: Kind,
    /// SQLite: one connection.
    pub(crate) writer: AnyPool,
    pub(crate) reader: AnyPool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// What only one transaction at a time may change, over all servers. SQLite has one writer for everything anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Whatever is read to be changed and has no lock of its own.
    Rows,
    /// Sightings and their change sequence.
    Sightings,
    /// The audit record: its entries have no gap and no fork.
    Record,
    /// Crops whose rows come or go: shared by those who store some, alone for those who delete what no row names.
    Crops,
    /// Which servers there are.
    Servers,
    /// The log's newest checkpoint.
    Published,
}

impl Lock {
    /// The key of the advisory lock: a word of ours, so that another program in the same database has others.
    const fn key(self) -> i64 {
        0x5367_6874_0000_0000
            + match self {
                Self::Rows => 1,
                Self::Sightings => 2,
                Self::Record => 3,
                Self::Crops => 4,
                Self::Servers => 5,
                Self::Published => 6,
            }
    }
}

impl Engine {
    pub(crate) async fn open(database: &Database) -> Result<Self, CatalogueError> {
        sqlx::any::install_default_drivers();
        match database {
            Database::File(path) => sqlite::open(path).await,
            Database::Postgres(url) => postgres::open(url).await,
        }
    }

    pub(crate) async fn open_unchanged(file: &std::path::Path) -> Result<Self, CatalogueError> {
        sqlx::any::install_default_drivers();
        sqlite::open_unchanged(file).await
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Looks at the SQLite file of a catalogue.
pub(crate) async fn look_at(file: &std::path::Path) -> Result<Option<crate::Look>, CatalogueError> {
    sqlite::look(file).await
}

/// Copies the SQLite file of a catalogue as it is at one moment.
pub(crate) async fn copy_file(from: &std::path::Path, to: &std::path::Path) -> Result<(), CatalogueError> {
    sqlite::copy(from, to).await
}

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

/// A number that only grows, by its name.
pub(crate) async fn sequence<'e>(
    from: impl sqlx::Executor<'e, Database = Any>,
    name: &'static str,
) -> Result<i64, CatalogueError> {
    Ok(sqlx::query_scalar("SELECT value FROM sequence WHERE name = $1").bind(name).fetch_one(from).await?)
}

/// `$first, $first+1, ..`: a list to bind one by one.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// `($1, $2), ($3, $4), ..`: rows to insert together.
pub(crate) fn rows(columns: usize, count: usize) -> String {
    (0..count).map(|n| format!("({})", placeholders(1 + n * columns, columns))).collect::<Vec<_>>().join(", ")
}

/// Slices to insert together, each half as long as what is left or longer: of few lengths, so that the database has seen the
/// texts before.
pub(crate) fn insert_batches<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    const MOST: usize = 64;
    std::iter::from_fn(move || {
        let count = 1 << all.len().min(MOST).checked_ilog2()?;
        let (some, rest) = all.split_at(count);
        all = rest;
        Some(some)
    })
}

/// How many ids one query asks for: few lengths, so that the database has seen most of the texts before.
const WIDTHS: [usize; 4] = [1, 16, 64, 256];

/// Placeholders from `$first` on with the ids to bind to them, for as many queries as it takes. What a list has more than there
/// are ids asks for the first one again.
pub(crate) fn in_lists<T>(ids: &[T], first: usize) -> impl Iterator<Item = (String, impl Iterator<Item = &T>)> {
    ids.chunks(WIDTHS[WIDTHS.len() - 1]).map(move |some| {
        let width = WIDTHS.into_iter().find(|width| some.len() <= *width).unwrap_or(some.len());
        (placeholders(first, width), some.iter().chain(std::iter::repeat(&some[0])).take(width))
    })
}
