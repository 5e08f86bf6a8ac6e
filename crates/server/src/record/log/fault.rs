use std::path::PathBuf;

use access::log::LogError;
use catalogue::CatalogueError;

/// What is wrong with a log, or in its way.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("this is an older copy of the log: it has {have} entries, and {by} has seen {seen}")]
    Older { have: u64, seen: u64, by: String },
    #[error("this log has another history than the one {by} has seen")]
    Forked { by: String },
    #[error("entry {seq} of the catalogue is not the one in the log")]
    Row { seq: u64 },
    #[error("the record has no entry {seq}")]
    NoEntry { seq: u64 },
    #[error("there is no checkpoint at {}", path.display())]
    NoCheckpoint { path: PathBuf },
    #[error("{} is not a key of this kind, or its two halves don't belong together", path.display())]
    Key { path: PathBuf },
    #[error("{} is not the log's key any more: the record says which one took over", path.display())]
    Replaced { path: PathBuf },
    #[error("write to the record")]
    Record(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the log's checkpoint and its entries say different things about its keys")]
    Keys,
    #[error("a witness signs with a witness's key and knows at least one log by a log's key")]
    Kinds,
    #[error("{action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a thread that reads the log ended early")]
    Thread,
}

impl LogFault {
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
