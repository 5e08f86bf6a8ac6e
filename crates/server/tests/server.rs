//! A real server on a free port, over mutual TLS, in a home folder of its own.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "server/edge.rs"]
mod edge;
#[path = "server/footage.rs"]
mod footage;
#[path = "server/gate.rs"]
mod gate;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/lifecycle.rs"]
mod lifecycle;
#[path = "server/live.rs"]
mod live;
#[path = "server/log.rs"]
mod log;
#[path = "server/record.rs"]
mod record;
#[path = "server/witness.rs"]
mod witness;
