//! A real server on a free port, over mutual TLS, in a home folder of its own.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "server/attacks.rs"]
mod attacks;
#[path = "server/attacks_callers.rs"]
mod attacks_callers;
#[path = "server/attacks_owners.rs"]
mod attacks_owners;
#[path = "server/bad_rows.rs"]
mod bad_rows;
#[path = "server/calls.rs"]
mod calls;
#[path = "../../catalogue/tests/catalogue/cluster.rs"]
mod cluster;
#[path = "server/comings.rs"]
mod comings;
#[path = "server/crops.rs"]
mod crops;
#[path = "server/damaged.rs"]
mod damaged;
#[path = "server/edge.rs"]
mod edge;
#[path = "server/emergency.rs"]
mod emergency;
#[path = "server/export.rs"]
mod export;
#[path = "server/footage.rs"]
mod footage;
#[path = "server/freshness.rs"]
mod freshness;
#[path = "server/front.rs"]
mod front;
#[path = "server/full_disk.rs"]
mod full_disk;
#[path = "server/gate.rs"]
mod gate;
#[path = "server/harness.rs"]
mod harness;
#[path = "server/identities.rs"]
mod identities;
#[path = "server/index_server.rs"]
mod index_server;
#[path = "server/ingest.rs"]
mod ingest;
#[path = "server/keep_looking.rs"]
mod keep_looking;
#[path = "../../media/tests/media/left.rs"]
mod left;
#[path = "server/lifecycle.rs"]
mod lifecycle;
#[path = "server/lists.rs"]
mod lists;
#[path = "server/live.rs"]
mod live;
#[path = "server/log.rs"]
mod log;
#[path = "server/marks.rs"]
mod marks;
#[path = "server/moved.rs"]
mod moved;
#[path = "server/notify.rs"]
mod notify;
#[expect(dead_code, reason = "its other tests need more of it")]
#[path = "../../onvif/tests/onvif/device.rs"]
mod onvif_device;
#[path = "server/pages.rs"]
mod pages;
#[path = "server/passkeys.rs"]
mod passkeys;
#[path = "server/picture.rs"]
mod picture;
#[path = "server/places.rs"]
mod places;
#[path = "../../index/tests/index/fake.rs"]
mod qdrant;
#[path = "server/record.rs"]
mod record;
#[path = "server/reindex.rs"]
mod reindex;
#[path = "server/retention.rs"]
mod retention;
#[path = "server/scale.rs"]
mod scale;
#[path = "server/seen.rs"]
mod seen;
#[path = "../../catalogue/tests/catalogue/small_disk.rs"]
mod small_disk;
#[path = "server/steer.rs"]
mod steer;
#[path = "server/telemetry.rs"]
mod telemetry;
#[path = "server/witness.rs"]
mod witness;
#[path = "server/wrong_clock.rs"]
mod wrong_clock;
