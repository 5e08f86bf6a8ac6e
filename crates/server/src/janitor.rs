//! What ends by itself: sightings whose time has come, emergencies that nobody authorised, and cases to purge.

pub(crate) mod purge;
pub(crate) mod retention;
