//! An opened database, and what is locked in it.

use sqlx::{Any, AnyPool, any::AnyRow};

pub(crate) type Tx = sqlx::Transaction<'static, Any>;
pub(crate) type DbRow = AnyRow;

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
    pub(super) const fn key(self) -> i64 {
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
