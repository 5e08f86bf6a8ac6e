use std::path::PathBuf;

use access::log::LogError;
use catalogue::CatalogueError;

/// What is wrong with a log, or in its way.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The log does not fit its head, or a note is wrong.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The catalogue can't be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Somebody has seen the log longer than it is.
    #[error("this is an older copy of the log: it has {have} entries, and {by} has seen {seen}")]
    Older {
        /// Entries that are here.
        have: u64,
        /// Entries that were seen.
        seen: u64,
        /// Who has seen them.
        by: String,
    },
    /// Somebody has seen other entries than these.
    #[error("this log has another history than the one {by} has seen")]
    Forked {
        /// Who has seen them.
        by: String,
    },
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
    /// The log was never published.
    #[error("there is no checkpoint at {}", path.display())]
    NoCheckpoint {
        /// Where the checkpoint should be.
        path: PathBuf,
    },
    /// A key's file is no key, or not of its pair.
    #[error("{} is not a key of this kind, or its two halves don't belong together", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
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
    /// Checkpoint and entries do not have the same keys.
    #[error("the log's checkpoint and its entries say different things about its keys")]
    Keys,
    /// The keys given to a witness are of the wrong kind.
    #[error("a witness signs with a witness's key and knows at least one log by a log's key")]
    Kinds,
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// The thread that read the log is gone.
    #[error("a thread that reads the log ended early")]
    Thread,
}

impl LogFault {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Older { .. } => {
                "nothing was changed; restore the newest copy of the whole home folder. Entries that are lost can't be made up for"
            }
            Self::Forked { .. } | Self::Row { .. } => {
                "keep everything as it is and have it looked into; restore a copy of which `sightline log verify` says that it is whole"
            }
            Self::Log(LogError::Missing { .. } | LogError::Tile { .. } | LogError::Inconsistent) => {
                "keep the folder log/ for whoever looks into it; moved away, it is made again from the catalogue and held against the high-water mark and the witnesses"
            }
            Self::Log(LogError::Quorum { .. }) => "name the witnesses' keys, or ask for a receipt later",
            Self::NoEntry { .. } => "the auditor sees the record with `sightline log list`",
            Self::NoCheckpoint { .. } => "name the folder that holds `checkpoint` and `tile`",
            Self::Replaced { .. } => {
                "put log.key, log.pub and log.introductions in pki/ as they are where the key was changed: `sightline rotate log-key`"
            }
            Self::Keys => {
                "keep everything as it is and have it looked into: who changed the log's key left no entry, or an entry no key"
            }
            Self::Log(LogError::Introduction(_) | LogError::OutOfTime(_)) => {
                "somebody signs with a key that the log does not have, or not at that time; have it looked into"
            }
            Self::Key { .. } | Self::Kinds => "a key is two files, the private one and NAME.pub beside it; put both back",
            Self::Io { .. } | Self::Catalogue(_) => "check the disk and the permissions of the home folder",
            Self::Log(_) => "is this the right key, and the whole file?",
            Self::Record(_) | Self::Thread => "look at the server's log",
        }
    }
}
