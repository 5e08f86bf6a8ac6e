//! The models on real pictures. Models come from the cache and must be there; footage may be absent, which is said.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "the whole file is a test")]

#[path = "vision/support.rs"]
mod support;

#[path = "vision/dump.rs"]
mod dump;
#[path = "vision/models.rs"]
mod models;
#[path = "vision/parity.rs"]
mod parity;
#[path = "vision/silhouette.rs"]
mod silhouette;
