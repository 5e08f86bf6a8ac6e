//! The vector index on real files and on a Qdrant server: what any index must do, what a crash, a damaged folder and a server
//! that is away must not.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests fail by panicking too, and say what they skip")]

#[path = "index/conformance.rs"]
mod conformance;
#[path = "index/crash.rs"]
mod crash;
#[path = "index/damage.rs"]
mod damage;
#[path = "index/fake.rs"]
mod fake;
#[path = "index/measure.rs"]
mod measure;
#[path = "index/opened.rs"]
mod opened;
#[path = "index/purge.rs"]
mod purge;
#[path = "index/server.rs"]
mod server;
#[path = "index/support.rs"]
mod support;
#[path = "index/world.rs"]
mod world;
