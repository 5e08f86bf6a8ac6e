//! Vectors in, scored ids out: which sightings look like this, under this filter?
//!
//! One bucket a UTC day in its own file, `<dir>/<model digest, short>/<day>.<generation>.bucket`, so that a day is forgotten by
//! deleting a file. Two vector spaces with the same filter: `description` (what was worn and carried) and `appearance` (learned,
//! from a redacted crop), both compared by dot product, so that a score is exactly [`types::Embedding::similarity`] or the
//! share of named words of [`types::DescriptionQuery::to_vector`].
//!
//! **The index is derived.** The catalogue is the truth and every change there has a sequence number; the index remembers
//! the last one it has on disk ([`VectorIndex::durable_seq`]) and, after an unclean stop, is fed what came later. Feeding the
//! same change twice changes nothing.
//!
//! What it refuses: vectors of another model or length, not finite or (appearance) not of length one; more than one
//! process on a folder; guessing. Search is exact: nothing that matches is missed. An empty list of cameras finds
//! nothing, so a forgotten scope can't widen a search.
//!
//! Two engines, one type ([`VectorIndex`]): our own in the process, in a folder, and a Qdrant server (`server.rs`), where a
//! day is a shard. Everything said here holds for both but the folders. The one on a server may be open in several processes, of
//! which one changes it, by a [`WriteGuard`].
//!
//! # The engine in the process
//! A flat scan of what the filter lets through, on all cores: exact, and quick up to millions of sightings on one machine.
//! - A day is one file of fixed-width records (`bucket/file.rs`); a change is appended, a removal is a tombstone.
//! - `state.json` names each day's file and how many of its records are on disk. It is replaced whole, after the files were synced.
//!   What comes after those records is not trusted: it is cut off and fed again.
//! - Every record has a checksum that knows its place. All are read when the index is opened: a file that was cut, changed or
//!   exchanged is an error ([`IndexError::Damaged`]), and the catalogue makes the index again.
//! - A purge writes a day's file anew under the next number, so that no byte of what was removed is left.
//! - Appearance vectors are read from the mapped file. Nothing is written through the mapping, so that a full disk is an error
//!   and not the end of the process.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod bucket;
mod embedded;
mod entry;
mod error;
mod location;
mod query;
mod server;
mod spec;
mod state;
mod vector_index;
mod write_guard;

pub use bucket::MIN_FREE_BYTES;
pub use entry::IndexEntry;
pub use error::IndexError;
pub use location::IndexLocation;
pub use query::{IndexQuery, QueryVector, Scored};
pub use server::{ApiKey, ServerSettings};
pub use spec::IndexSpec;
pub use vector_index::VectorIndex;
pub use write_guard::WriteGuard;
