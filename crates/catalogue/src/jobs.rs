//! Footage jobs, and the segments that long footage is cut into.

pub(crate) mod job;
pub(crate) mod segment;
