//! Sightings with their crops and vectors: how they are stored, read, replaced and deleted, and the changes that an index follows.

pub(crate) mod appearance;
pub(crate) mod change;
pub(crate) mod erase;
pub(crate) mod latest;
pub(crate) mod maintenance;
pub(crate) mod permitted;
pub(crate) mod row;
pub(crate) mod set_aside;
pub(crate) mod sighting;
