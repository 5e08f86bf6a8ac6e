//! The index on a Qdrant server: a collection a model behind an alias, a shard a UTC day. The only files that see its client.
//!
//! Days are custom shards, so that one is deleted with its files, and so the server has to run in cluster mode, if only by
//! itself. Every change is waited for. How far a collection is in the catalogue's sequence is noted on the server (`note.rs`),
//! after what it counts.

mod circuit;
mod collections;
mod create;
mod link;
mod names;
mod note;
mod points;
mod remote;
mod settings;

pub(crate) use collections::keep_only;
pub(crate) use link::Link;
pub(crate) use remote::Remote;
pub use settings::{ApiKey, ServerSettings};
