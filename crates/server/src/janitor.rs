//! What ends by itself: sightings whose time has come, emergencies that nobody authorised, and cases to purge.

pub(crate) mod crops;
pub(crate) mod error;
mod probe;
pub(crate) mod purge;
pub(crate) mod retention;
pub(crate) mod settled;

pub(crate) use error::{ClockLeapt, JanitorError};
