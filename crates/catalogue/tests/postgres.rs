//! The catalogue on PostgreSQL: the same tests as on SQLite.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

const ENGINE: support::Engine = support::Engine::Postgres;
const CROPS: support::Store = support::Store::Folder;

include!("catalogue/suite.rs");
