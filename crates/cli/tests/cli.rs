//! The real binary: what it says to wrong command lines, and the whole path from `init` to a contact sheet against a
//! real server with real footage and real models.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "cli/archive.rs"]
mod archive;
#[path = "cli/backup.rs"]
mod backup;
#[path = "cli/bounded.rs"]
mod bounded;
#[path = "../../catalogue/tests/catalogue/bucket.rs"]
mod bucket;
#[path = "cli/cameras.rs"]
mod cameras;
#[path = "cli/case_watch.rs"]
mod case_watch;
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
#[path = "cli/decoders.rs"]
mod decoders;
#[path = "cli/deployment.rs"]
mod deployment;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/first_search.rs"]
mod first_search;
#[path = "cli/index_server.rs"]
mod index_server;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/migrate.rs"]
mod migrate;
#[path = "cli/modes.rs"]
mod modes;
#[path = "cli/onboarding.rs"]
mod onboarding;
#[expect(dead_code, reason = "its other tests need more of it")]
#[path = "../../onvif/tests/onvif/device.rs"]
mod onvif_device;
#[path = "../../onvif/tests/onvif/partner.rs"]
mod onvif_partner;
#[path = "cli/package.rs"]
mod package;
#[path = "../../index/tests/index/fake.rs"]
mod qdrant;
#[path = "cli/quiet.rs"]
mod quiet;
#[path = "cli/record.rs"]
mod record;
#[path = "cli/recorders.rs"]
mod recorders;
#[path = "cli/reload.rs"]
mod reload;
#[path = "cli/retention.rs"]
mod retention;
#[path = "cli/rollback.rs"]
mod rollback;
#[path = "cli/rotate.rs"]
mod rotate;
#[path = "cli/servers.rs"]
mod servers;
#[path = "cli/status.rs"]
mod status;
#[path = "cli/steer.rs"]
mod steer;
#[path = "cli/throughput.rs"]
mod throughput;
#[path = "cli/upgrade.rs"]
mod upgrade;
#[path = "cli/whole_path.rs"]
mod whole_path;
#[path = "cli/worker.rs"]
mod worker;
