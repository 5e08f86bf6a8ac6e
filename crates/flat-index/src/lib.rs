//! The index of one model in a folder: flat, exact, a file a UTC day. What `index` opens where no server holds the vectors.
//!
//! A flat scan of what the filter lets through, on all cores: exact, and quick up to millions of sightings on one machine.
//! - A day is one file of fixed-width records (`bucket/file.rs`); a change is appended, a removal is a tombstone.
//! - `state.json` names each day's file and how many of its records are on disk. It is replaced whole, after the files were synced.
//!   What comes after those records is not trusted: it is cut off and fed again.
//! - Every record has a checksum that knows its place. All are read when the index is opened: a file that was cut, changed or
//!   exchanged is an error ([`IndexError::Damaged`]), and the catalogue makes the index again.
//! - A purge writes a day's file anew under the next number, so that no byte of what was removed is left.
//! - Appearance vectors are read from the mapped file. Nothing is written through the mapping, so that a full disk is an error
//!   and not the end of the process.
//!
//! It links no network. The words of every index are here too: entries, queries, errors.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod bucket;
mod entry;
mod error;
mod flat_index;
mod query;
mod spec;
mod state;

pub use bucket::MIN_FREE_BYTES;
pub use entry::IndexEntry;
pub use error::{EngineError, IndexError};
pub use flat_index::{FlatIndex, keep_only};
pub use query::{IndexQuery, QueryVector, Scored};
pub use spec::IndexSpec;
