// What holds of a catalogue on either database; `ENGINE` says which.

#[path = "cases.rs"]
mod cases;
#[path = "check.rs"]
mod check;
#[path = "cluster.rs"]
mod cluster;
#[path = "crash.rs"]
mod crash;
#[path = "history.rs"]
mod history;
#[path = "jobs.rs"]
mod jobs;
#[path = "measure.rs"]
mod measure;
#[path = "retention.rs"]
mod retention;
#[path = "sightings.rs"]
mod sightings;
#[path = "support.rs"]
mod support;
