//! The audit record: its entries, what they say about rows beside them, and where the two differ.

pub(crate) mod audit;
pub(crate) mod known;
pub(crate) mod published;
pub(crate) mod recorded;
pub(crate) mod resume;
pub(crate) mod revoked;
pub(crate) mod state;
