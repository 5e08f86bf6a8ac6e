//! Servers that share a catalogue: the leases by which one of them does what only one may do.

pub(crate) mod membership;
