//! The catalogue with its crops in a bucket: the same tests as with a folder.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

const ENGINE: support::Engine = support::Engine::Sqlite;
const CROPS: support::Store = support::Store::Bucket;

include!("catalogue/suite.rs");

#[path = "catalogue/buckets.rs"]
mod buckets;
