//! The record as it grows: the log's files follow the catalogue, witnesses are asked, and exports prove where they come from.
//!
//! What it makes, the crate `audit_log` checks with a key alone.

pub(crate) mod exhibit;
pub(crate) mod health;
pub(crate) mod log;
