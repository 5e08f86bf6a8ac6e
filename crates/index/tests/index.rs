//! The vector index on real files: what any index must do, what a crash and a damaged folder must not.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

#[path = "index/conformance.rs"]
mod conformance;
#[path = "index/crash.rs"]
mod crash;
#[path = "index/damage.rs"]
mod damage;
#[path = "index/measure.rs"]
mod measure;
#[path = "index/purge.rs"]
mod purge;
#[path = "index/support.rs"]
mod support;
