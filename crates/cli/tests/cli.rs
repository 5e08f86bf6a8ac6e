//! The real binary: what it says to wrong command lines, and the whole path from `init` to a contact sheet against a
//! real server with real footage and real models.

// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "cli/archive.rs"]
mod archive;
#[path = "../../catalogue/tests/catalogue/bucket.rs"]
mod bucket;
#[path = "cli/cameras.rs"]
mod cameras;
#[path = "cli/chaos.rs"]
mod chaos;
#[path = "cli/city.rs"]
mod city;
#[path = "../../catalogue/tests/catalogue/cluster.rs"]
mod cluster;
#[path = "cli/console.rs"]
mod console;
#[path = "cli/database.rs"]
mod database;
#[path = "cli/deployment.rs"]
mod deployment;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/index_server.rs"]
mod index_server;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/migrate.rs"]
mod migrate;
#[path = "../../index/tests/index/fake.rs"]
mod qdrant;
#[path = "cli/quiet.rs"]
mod quiet;
#[path = "cli/record.rs"]
mod record;
#[path = "cli/retention.rs"]
mod retention;
#[path = "cli/servers.rs"]
mod servers;
#[path = "cli/throughput.rs"]
mod throughput;
#[path = "cli/upgrade.rs"]
mod upgrade;
#[path = "cli/whole_path.rs"]
mod whole_path;
#[path = "cli/worker.rs"]
mod worker;
