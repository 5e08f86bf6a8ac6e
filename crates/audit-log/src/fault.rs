use std::path::PathBuf;

use access::log::LogError;

/// What is wrong with a log as it lies in a folder, or in its way.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The log does not fit its head, or a note is wrong.
    #[error(transparent)]
    Log(#[from] LogError),
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
}

impl LogFault {
    /// What to do where two things differ that were the same.
    pub const LOOK_INTO: &str =
        "keep everything as it is and have it looked into; restore a copy of which `sightline log verify` says that it is whole";

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Older { .. } => {
                "nothing was changed; restore the newest copy of the whole home folder. Entries that are lost can't be made up for"
            }
            Self::Forked { .. } => Self::LOOK_INTO,
            Self::Log(LogError::Missing { .. } | LogError::Tile { .. } | LogError::Inconsistent) => {
                "keep the folder log/ for whoever looks into it; moved away, it is made again from the catalogue and held against the high-water mark and the witnesses"
            }
            Self::Log(LogError::Quorum { .. }) => "name the witnesses' keys, or ask for a receipt later",
            Self::NoCheckpoint { .. } => "name the folder that holds `checkpoint` and `tile`",
            Self::Keys => {
                "keep everything as it is and have it looked into: who changed the log's key left no entry, or an entry no key"
            }
            Self::Log(LogError::Introduction(_) | LogError::OutOfTime(_)) => {
                "somebody signs with a key that the log does not have, or not at that time; have it looked into"
            }
            Self::Key { .. } | Self::Kinds => "a key is two files, the private one and NAME.pub beside it; put both back",
            Self::Io { .. } => "check the disk and the permissions of the home folder",
            Self::Log(_) => "is this the right key, and the whole file?",
        }
    }
}
