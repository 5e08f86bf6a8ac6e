//! The two databases a catalogue can lie in: SQLite, a file, and PostgreSQL, which many servers share. Queries are one and
//! the same text for both, through sqlx's `Any` driver; what differs between the two is in here.
//!
//! What a query must keep to, so that both understand it: `$n`; values that are `i32`, `i64`, `f32`, `f64`, text or bytes, so
//! no `bool`, no `u32`; `ON CONFLICT`, not `OR REPLACE`; [`crate::Catalogue`]'s `begin` before rows are read to be changed;
//! `fetch_all` for a `RETURNING` outside of a transaction, since `fetch_optional` is back with the row before PostgreSQL has
//! committed it; and `persistent(false)` where an `f64` may be missing, since `Any` (0.9) says `f32` of a missing one and
//! PostgreSQL remembers that for the next.

mod begin;
mod look;
mod migrations;
mod pools;
mod postgres;
mod sql;
mod sqlite;

use std::{fmt, path::PathBuf};

pub(crate) use begin::CropsAlone;
pub use look::Look;
pub(crate) use pools::{DbRow, Engine, Lock, Tx};
pub use postgres::PostgresUrl;
pub(crate) use sql::{in_lists, insert_batches, placeholders, rows, sequence};

use crate::CatalogueError;
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
pub(crate) async fn look_at(file: &std::path::Path) -> Result<Option<Look>, CatalogueError> {
    sqlite::look(file).await
}

/// Copies the SQLite file of a catalogue as it is at one moment.
pub(crate) async fn copy_file(from: &std::path::Path, to: &std::path::Path) -> Result<(), CatalogueError> {
    sqlite::copy(from, to).await
}
