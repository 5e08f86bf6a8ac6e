//! The index is derived: it follows the catalogue's changes, is never ahead of them, and never holds vectors of another model.
//!
//! ```text
//! store_sightings ─▶ catalogue ─change sequence─▶ IndexSync ─▶ index       (active: searched)
//!                                      └────────▶ IndexSync ─▶ index       (shadow: while another model takes over)
//! ```
//!
//! Sightings enter by [`store_sightings`] or [`store_good`]: the catalogue first, then the index. [`IndexSet::purge`] makes days of
//! every index, on every server, what the catalogue has of them. [`reindex::ModelChange`] changes the model, a call for each step.
//! Servers that share an index elect a leader by a lease of [`catalogue::Cluster`]; it alone writes.
//!
//! What it refuses: a vector of another model than the index's; a change out of the catalogue's order; an index that is ahead of
//! the catalogue, or older than what was forgotten, which is made again.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod error;
mod index_set;
mod leadership;
mod reembedder;
pub mod reindex;
mod sync;
mod write;

pub use error::SyncError;
pub use index_set::IndexSet;
pub use sync::{FED, IndexSync};
pub use write::{store_good, store_sightings};
