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
    /// Entries in the log.
    pub size: u64,
    /// The RFC 6962 Merkle tree hash over them.
    pub hash: Hash,
}

impl TreeHead {
    /// The head of a log without entries.
    pub const EMPTY: Self = Self { size: 0, hash: EMPTY_HASH };
}

/// What does not fit.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The place where the tiles lie failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that the head needs is not there.
    #[error("{path} is missing from the log")]
    Missing {
        /// Its path, as C2SP `tlog-tiles` names it.
        path: String,
    },
    /// A file says something else than the head.
    #[error("{path} does not fit the log's head")]
    Tile {
        /// Its path, as C2SP `tlog-tiles` names it.
        path: String,
    },
    /// The right edge of the tree does not give the head's hash.
    #[error("the log's tiles do not fit its head: it was damaged or changed")]
    Inconsistent,
    /// The hashes of a proof do not lead to the head.
    #[error("the proof does not hold")]
    Proof,
    /// The log is shorter than what was asked for.
    #[error("the log has {size} entries, there is none at {index}")]
    Index {
        /// The entry that was asked for, from 0.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The entry does not fit into a bundle.
    #[error("an entry has {len} bytes; at most {MAX_ENTRY} fit")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// More entries than any log has. Holds how many.
    #[error("a log of {0} entries is larger than any this program accepts")]
    TooLarge(u64),
    /// A signed note is malformed, or its signature is wrong.
    #[error(transparent)]
    Note(#[from] super::NoteError),
    /// The text of a checkpoint does not read as C2SP `tlog-checkpoint`. Says why.
    #[error("the checkpoint is not one: {0}")]
    Checkpoint(&'static str),
    /// The text of a receipt does not read as C2SP `tlog-proof`. Says why.
    #[error("the receipt is not a tlog-proof: {0}")]
    Receipt(&'static str),
    /// The text under an export or a backup does not read as a seal. Says why.
    #[error("the seal is not one: {0}")]
    Seal(&'static str),
    /// One of the log's keys does not follow upon the one before. Says why.
    #[error("a change of the log's key does not hold: {0}")]
    Introduction(&'static str),
    /// A key signed a head that was not its own to sign. Holds the log's name.
    #[error("a key of the log {0} that had ended signed it, or one that had not begun")]
    OutOfTime(String),
    /// No key of the log signed it. Holds the log's name.
    #[error("it is not signed by the log {0}")]
    NotTheLog(String),
    /// Too few witnesses have signed.
    #[error("only {got} of the {want} witnesses that are needed have signed the checkpoint")]
    Quorum {
        /// How many have.
        got: usize,
        /// How many are needed.
        want: usize,
    },
    /// A later head has fewer entries than an earlier one.
    #[error("the log went back: it had {before} entries and now shows {now}")]
    WentBack {
        /// Entries of the earlier head.
        before: u64,
        /// Entries of the later head.
        now: u64,
    },
}
