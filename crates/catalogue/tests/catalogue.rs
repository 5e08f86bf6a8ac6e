//! The catalogue on a real database and a real folder of crops.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

#[path = "catalogue/cases.rs"]
mod cases;
#[path = "catalogue/check.rs"]
mod check;
#[path = "catalogue/crash.rs"]
mod crash;
#[path = "catalogue/files.rs"]
mod files;
#[path = "catalogue/history.rs"]
mod history;
#[path = "catalogue/jobs.rs"]
mod jobs;
#[path = "catalogue/measure.rs"]
mod measure;
#[path = "catalogue/sightings.rs"]
mod sightings;
#[path = "catalogue/support.rs"]
mod support;
