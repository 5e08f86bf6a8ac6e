use std::path::PathBuf;

use types::{Day, ModelDigest};

/// Why the index did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the vector was made by {got:?}, this index holds {want:?}; re-embed with the index's model, or rebuild the index")]
    Model { want: ModelDigest, got: ModelDigest },
    #[error("the {space} vector has {got} values, this index holds vectors of {want}")]
    Length { space: &'static str, want: usize, got: usize },
    #[error("the {space} vector is not finite")]
    NotFinite { space: &'static str },
    #[error("the appearance vector has length {length}, not 1")]
    NotUnit { length: f32 },
    #[error("the sighting {what}")]
    Entry { what: &'static str },
    #[error("the index of {day} at {path} is damaged; run `sightline index rebuild`, the catalogue has everything it needs")]
    Damaged {
        day: Day,
        path: PathBuf,
        #[source]
        source: EngineError,
    },
    #[error(
        "{path} does not say what the index beside it holds; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    State { path: PathBuf, reason: String },
    #[error(
        "{path} is of format {got}, this version reads {want}; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    Format { path: PathBuf, got: u32, want: u32 },
    #[error("another process uses the index at {path}; stop it first")]
    InUse { path: PathBuf },
    #[error("only {free} bytes are free where the index lives ({path}), {needed} are needed; free some space and try again")]
    DiskFull { path: PathBuf, free: u64, needed: u64 },
    #[error(
        "the collection {collection} on the index server {reason}; run `sightline index rebuild`, the catalogue has everything it needs"
    )]
    Collection { collection: String, reason: String },
    #[error("{action}: the index server at {url} is not to be had: {reason}")]
    Away { action: &'static str, url: String, reason: String },
    #[error("the index server at {url} failed several times in a row and is asked again in {seconds} s")]
    Resting { url: String, seconds: u64 },
    #[error(
        "the index server at {url} refuses the key it is shown; put the right one into the file that `index.api_key_file` names"
    )]
    Refused { url: String },
    #[error("the index server at {url} {fault}")]
    Unsuitable { url: String, fault: String },
    #[error("{action}: another server changes the index by now")]
    NotOurs { action: &'static str },
    #[error("{action}: the index server at {url} refuses: {reason}")]
    Server { action: &'static str, url: String, reason: String },
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
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
