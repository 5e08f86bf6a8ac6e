//! What an operator sees: jobs, retention and legal holds, and the state of a deployment.

pub(crate) mod job;
pub(crate) mod retention;
pub(crate) mod status;
