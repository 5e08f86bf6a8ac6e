//! What the process tells about itself: metrics and traces.

pub(crate) mod metrics;
pub(crate) mod traces;
