//! The audit record: its entries, what they say about rows beside them, and where the two differ.

pub(crate) mod audit;
mod check;
pub(crate) mod difference;
mod follow;
pub(crate) mod known;
pub(crate) mod published;
pub(crate) mod queue;
pub(crate) mod recorded;
pub(crate) mod resume;
pub(crate) mod revoked;
mod state;
