use std::path::PathBuf;

use types::{Day, ModelDigest};

/// Why the index did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A vector of another model: the two are never compared.
    #[error("the vector was made by {got:?}, this index holds {want:?}; re-embed with the index's model, or rebuild the index")]
    Model {
        /// What this index holds or reads.
        want: ModelDigest,
        /// What was given or found.
        got: ModelDigest,
    },
    /// A vector of another length.
    #[error("the {space} vector has {got} values, this index holds vectors of {want}")]
    Length {
        /// "description" or "appearance".
        space: &'static str,
        /// What this index holds or reads.
        want: usize,
        /// What was given or found.
        got: usize,
    },
    /// A value of a vector is infinite or not a number.
    #[error("the {space} vector is not finite")]
    NotFinite {
        /// "description" or "appearance".
        space: &'static str,
    },
    /// An entry that no index takes; as an index's `fault` says.
    #[error("the sighting {what}")]
    Entry {
        /// The end of a sentence that begins with "the sighting".
        what: &'static str,
    },
    /// A file of a day is not what was written.
    #[error("the index of {day} at {path} is damaged; run `sightline index rebuild`, the catalogue has everything it needs")]
    Damaged {
        /// Whose file it is.
        day: Day,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: EngineError,
    },
    /// The file that names what the folder holds is missing or damaged.
    #[error(
        "{path} does not say what the index beside it holds; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    State {
        /// The file or folder.
        path: PathBuf,
        /// In words for people.
        reason: String,
    },
    /// Written by another version of the format.
    #[error(
        "{path} is of format {got}, this version reads {want}; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    Format {
        /// The file or folder.
        path: PathBuf,
        /// What was given or found.
        got: u32,
        /// What this index holds or reads.
        want: u32,
    },
    /// The folder is locked by another process.
    #[error("another process uses the index at {path}; stop it first")]
    InUse {
        /// The file or folder.
        path: PathBuf,
    },
    /// Too little room to write safely.
    #[error("only {free} bytes are free where the index lives ({path}), {needed} are needed; free some space and try again")]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
        /// Bytes.
        free: u64,
        /// Bytes.
        needed: u64,
    },
    /// A collection on the server is not one that we made.
    #[error(
        "the collection {collection} on the index server {reason}; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    Collection {
        /// Its name on the server.
        collection: String,
        /// In words for people.
        reason: String,
    },
    /// No answer, or none in time; trying later may help.
    #[error("{action}: the index server at {url} is not to be had: {reason}")]
    Away {
        /// What was tried.
        action: &'static str,
        /// The server's address.
        url: String,
        /// In words for people.
        reason: String,
    },
    /// The server failed several times and is left alone for a while.
    #[error("the index server at {url} failed several times in a row and is asked again in {seconds} s")]
    Resting {
        /// The server's address.
        url: String,
        /// From now on.
        seconds: u64,
    },
    /// The server does not take our key.
    #[error(
        "the index server at {url} refuses the key it is shown; put the right one into the file that `index.api_key_file` names"
    )]
    Refused {
        /// The server's address.
        url: String,
    },
    /// The server can not do what an index needs.
    #[error("the index server at {url} {fault}")]
    Unsuitable {
        /// The server's address.
        url: String,
        /// The end of a sentence about the server.
        fault: String,
    },
    /// Its guard of writing says that this process may not write any more.
    #[error("{action}: another server changes the index by now")]
    NotOurs {
        /// What was tried.
        action: &'static str,
    },
    /// The server refuses the call; trying again does not help.
    #[error("{action}: the index server at {url} refuses: {reason}")]
    Server {
        /// What was tried.
        action: &'static str,
        /// The server's address.
        url: String,
        /// In words for people.
        reason: String,
    },
    /// A file or folder can not be read or written.
    #[error("{action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl IndexError {
    /// Whether rebuilding the index from the catalogue is the way out.
    pub fn is_rebuildable(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::State { .. } | Self::Format { .. } | Self::Collection { .. })
    }

    /// Whether it is the index server that has to be looked after, and nothing of this deployment.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Resting { .. } | Self::Refused { .. } | Self::Unsuitable { .. })
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub(crate) String);
