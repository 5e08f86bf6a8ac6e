//! Vectors in, scored ids out: which sightings look like this, under this filter?
//!
//! One bucket a UTC day in its own folder, `<dir>/<model digest, short>/<day>/`, so that a day is forgotten by deleting a
//! folder. Two vector spaces with the same filter: `description` (what was worn and carried) and `appearance` (learned,
//! from a redacted crop), both compared by dot product, so that a score is exactly [`types::Embedding::similarity`] or the
//! share of named words of [`types::DescriptionQuery::to_vector`].
//!
//! **The index is derived.** The catalogue is the truth and every change there has a sequence number; the index remembers
//! the last one it has on disk ([`VectorIndex::synced`]) and, after an unclean stop, is fed what came later. Feeding the
//! same change twice changes nothing.
//!
//! What it refuses: vectors of another model or length, not finite or (appearance) not of length one; more than one
//! process on a folder; guessing. Search is exact: nothing that matches is missed. An empty list of cameras finds
//! nothing, so a forgotten scope can't widen a search.
//!
//! Two engines, one type ([`VectorIndex`]): Qdrant Edge in the process, in a folder, and a Qdrant server (`server.rs`), where a
//! day is a shard. Everything said here holds for both but the folders. The one on a server may be open in several processes, of
//! which one changes it, by a [`Leave`].
//!
//! # Qdrant Edge 0.7.2
//! The engine in the process, seen by `bucket.rs` alone. What it lacks, and what is done about it:
//! - It doesn't replay its write-ahead log when it loads: what came after the last flush may be gone after a crash. `synced`
//!   is therefore only advanced after a flush, by an atomic file, and never trusts the log.
//! - It never shortens that log either. The log is kept in small pieces and old ones are deleted after a flush; the newest
//!   is kept, since the engine numbers its operations by it and would ignore lower numbers as old.
//! - `flush` panics when it fails, and so does dropping a shard: both are caught and become errors.
//! - Its files are long and have holes. "In RAM" they are read whole, holes too, when a day is opened; so vectors are "on disk",
//!   which maps them all the same and leaves it to the system what stays in memory.
//! - Its mapped files kill the process (`SIGBUS`) where a disk is full: changes are refused while less than
//!   [`MIN_FREE_BYTES`] is free.
//! - Ranges on integers go through `f64`, exact to 2^53: times after 2255 or before 1684 are refused.
//! - Exact search never reads the HNSW graph, so `optimize` is not run: a day is a flat scan of what its filter lets through.

mod bucket;
mod embedded;
mod entry;
mod error;
mod leave;
mod place;
mod query;
mod server;
mod state;
mod vector_index;

pub use embedded::MIN_FREE_BYTES;
pub use entry::IndexEntry;
pub use error::IndexError;
pub use leave::Leave;
pub use place::Place;
pub use query::{IndexQuery, QueryVector, Scored};
pub use server::{ApiKey, ServerSettings};
pub use vector_index::{IndexSpec, VectorIndex};
