//! Real footage, files made on the spot with GStreamer, damaged files, and a real RTSP server.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests fail the test and say what they skip")]

#[path = "media/authority.rs"]
mod authority;
#[path = "media/breaks.rs"]
mod breaks;
#[path = "media/cell.rs"]
mod cell;
#[path = "media/damage.rs"]
mod damage;
#[path = "media/fake.rs"]
mod fake;
#[path = "media/faults.rs"]
mod faults;
#[path = "media/footage.rs"]
mod footage;
#[path = "media/gst_recorder.rs"]
mod gst_recorder;
#[path = "media/left.rs"]
mod left;
#[path = "media/live.rs"]
mod live;
#[path = "media/made.rs"]
mod made;
#[path = "media/odd.rs"]
mod odd;
#[path = "media/playlist.rs"]
mod playlist;
#[path = "media/replay.rs"]
mod replay;
#[path = "media/server.rs"]
mod server;
#[path = "media/support.rs"]
mod support;
#[path = "media/teardown.rs"]
mod teardown;
