//! The index is derived: it follows the catalogue's changes, is never ahead of them, and never holds vectors of another model.

pub(crate) mod error;
pub(crate) mod index_set;
pub(crate) mod leadership;
pub(crate) mod reembedder;
pub(crate) mod reindex;
pub(crate) mod sync;
pub(crate) mod write;
