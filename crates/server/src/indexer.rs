//! The index is derived: it follows the catalogue's changes, is never ahead of them, and never holds vectors of another model.

pub(crate) mod embed_again;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod feeder;
pub(crate) mod health;
pub(crate) mod index_feed;
pub(crate) mod reindex;
pub(crate) mod write;
