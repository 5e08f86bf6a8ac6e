// What holds of a catalogue on either database, with its crops in a folder or in a bucket; `ENGINE` and `CROPS` say which.

#[path = "appearance.rs"]
mod appearance;
#[path = "bucket.rs"]
mod bucket;
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
#[path = "lists.rs"]
mod lists;
#[path = "leases.rs"]
mod leases;
#[path = "measure.rs"]
mod measure;
#[path = "retention.rs"]
mod retention;
#[path = "seen.rs"]
mod seen;
#[path = "segments.rs"]
mod segments;
#[path = "sightings.rs"]
mod sightings;
#[path = "servers.rs"]
mod servers;
#[path = "support.rs"]
mod support;
