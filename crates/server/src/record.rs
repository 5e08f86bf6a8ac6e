//! The record as others can check it: the log's files, its witnesses, and exports that prove where they come from.
//!
//! What was signed is only ever extended, and whoever holds a key can check it with the files alone.

pub(crate) mod exhibit;
pub mod export;
pub(crate) mod health;
pub mod log;
