//! Agencies and cameras: what they are, what they do now, and who looked at them.

pub(crate) mod accesses;
pub(crate) mod camera;
pub(crate) mod live;
