//! The catalogue on a real database and a real folder of crops.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

const ENGINE: support::Engine = support::Engine::Sqlite;
const CROPS: support::Store = support::Store::Folder;

include!("catalogue/suite.rs");

#[path = "catalogue/copy.rs"]
mod copy;
#[path = "catalogue/files.rs"]
mod files;
#[path = "catalogue/full_disk.rs"]
mod full_disk;
#[path = "catalogue/moved.rs"]
mod moved;
#[path = "catalogue/small_disk.rs"]
mod small_disk;
