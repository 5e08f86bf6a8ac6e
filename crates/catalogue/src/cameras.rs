//! Agencies and the cameras that they pool, each with its owner's policy and the list of who looked at it.

pub(crate) mod access_list;
pub(crate) mod agency;
pub(crate) mod camera;
pub(crate) mod pooled;
pub(crate) mod recorder;
