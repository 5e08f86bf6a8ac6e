//! The vector index on real files: what any index must do, what a crash and a damaged folder must not.

#[path = "index/conformance.rs"]
mod conformance;
#[path = "index/crash.rs"]
mod crash;
#[path = "index/damage.rs"]
mod damage;
#[path = "index/measure.rs"]
mod measure;
#[path = "index/support.rs"]
mod support;
