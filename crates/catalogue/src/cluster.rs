//! Servers and workers that share one catalogue: who is there, what each has leased, and the token under which it writes.

pub(crate) mod camera_lease;
pub(crate) mod fencing_token;
pub(crate) mod lease;
pub(crate) mod lease_fault;
pub(crate) mod lease_guard;
pub(crate) mod membership;
pub(crate) mod servers;
