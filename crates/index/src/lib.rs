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
//! Two engines, one type ([`VectorIndex`]): our own in the process, in a folder (crate `flat-index`), and a Qdrant server (`server.rs`), where a
//! day is a shard. Everything said here holds for both but the folders. The one on a server may be open in several processes, of
//! which one changes it, by a [`WriteGuard`].

#![warn(missing_docs, clippy::missing_errors_doc)]

mod location;
mod server;
mod vector_index;
mod write_guard;

pub use flat_index::{IndexEntry, IndexError, IndexQuery, IndexSpec, MIN_FREE_BYTES, QueryVector, Scored};
pub use location::IndexLocation;
pub use server::{ApiKey, ServerSettings};
pub use vector_index::VectorIndex;
pub use write_guard::WriteGuard;
