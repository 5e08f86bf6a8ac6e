use std::path::PathBuf;

use access::log::LogError;
use audit_log::LogFault;
use catalogue::CatalogueError;

/// What is wrong with the record, of which the catalogue has the rows and the log's files the proof, or in its way.
#[derive(Debug, thiserror::Error)]
pub enum RecordFault {
    /// The log's files, or a key, are not as they should be.
    #[error(transparent)]
    Log(#[from] LogFault),
    /// The catalogue can't be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The catalogue's row was changed after it was logged.
    #[error("entry {seq} of the catalogue is not the one in the log")]
    Row {
        /// The entry's number, from 1.
        seq: u64,
    },
    /// The record is shorter than what was asked for.
    #[error("the record has no entry {seq}")]
    NoEntry {
        /// The number that was asked for, from 1.
        seq: u64,
    },
    /// Another key took over from this one.
    #[error("{} is not the log's key any more: the record says which one took over", path.display())]
    Replaced {
        /// The key's file.
        path: PathBuf,
    },
    /// The audit record does not take an entry.
    #[error("write to the record")]
    Record(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that read the log is gone.
    #[error("a thread that reads the log ended early")]
    Thread,
}

impl From<LogError> for RecordFault {
    fn from(error: LogError) -> Self {
        Self::Log(error.into())
    }
}

impl RecordFault {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Log(fault) => fault.hint(),
            Self::Catalogue(_) => "check the disk and the permissions of the home folder",
            Self::Row { .. } => LogFault::LOOK_INTO,
            Self::NoEntry { .. } => "the auditor sees the record with `sightline log list`",
            Self::Replaced { .. } => {
                "put log.key, log.pub and log.introductions in pki/ as they are where the key was changed: `sightline rotate log-key`"
            }
            Self::Record(_) | Self::Thread => "look at the server's log",
        }
    }
}
