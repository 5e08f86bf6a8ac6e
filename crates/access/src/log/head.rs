//! How large a log is, and what can be wrong with one.

use tlog_tiles::{EMPTY_HASH, Hash};

use super::StoreError;

/// Bytes of one entry at most: bundles carry 16-bit lengths.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Entries a log may have: far more than will ever come, and small enough that no tree arithmetic overflows.
pub const MAX_SIZE: u64 = 1 << 40;

/// How many entries there are, and the hash over all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeHead {
    pub size: u64,
    pub hash: Hash,
}

impl TreeHead {
    pub const EMPTY: Self = Self { size: 0, hash: EMPTY_HASH };
}

/// What does not fit.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path} is missing from the log")]
    Missing { path: String },
    #[error("{path} does not fit the log's head")]
    Tile { path: String },
    #[error("the log's tiles do not fit its head: it was damaged or changed")]
    Inconsistent,
    #[error("the proof does not hold")]
    Proof,
    #[error("the log has {size} entries, there is none at {index}")]
    Index { index: u64, size: u64 },
    #[error("an entry has {len} bytes; at most {MAX_ENTRY} fit")]
    TooLong { len: usize },
    #[error("a log of {0} entries is larger than any this program accepts")]
    TooLarge(u64),
    #[error(transparent)]
    Note(#[from] super::NoteError),
    #[error("the checkpoint is not one: {0}")]
    Checkpoint(&'static str),
    #[error("the receipt is not a tlog-proof: {0}")]
    Receipt(&'static str),
    #[error("the seal is not one: {0}")]
    Seal(&'static str),
    #[error("a change of the log's key does not hold: {0}")]
    Introduction(&'static str),
    #[error("a key of the log {0} that had ended signed it, or one that had not begun")]
    OutOfTime(String),
    #[error("it is not signed by the log {0}")]
    NotTheLog(String),
    #[error("only {got} of the {want} witnesses that are needed have signed the checkpoint")]
    Quorum { got: usize, want: usize },
    #[error("the log went back: it had {before} entries and now shows {now}")]
    WentBack { before: u64, now: u64 },
}
