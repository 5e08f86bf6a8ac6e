//! The agency's side of the link: a worker that watches the cameras where they hang and hands in what it saw.
//!
//! ```text
//! LeaseCameras ◀─ leases, renewed every few seconds ─▶ server          which cameras are this worker's
//!   └▶ pipeline::Watchers (a thread a camera) ─▶ SpoolSink ─▶ pipeline::Spool (disk, bounded) ─▶ Push ─▶ server
//!                                                                       ▲ acknowledged: stored for good ──┘
//! ```
//!
//! A sighting counts as taken when it is on the spool's disk, and leaves it when the server says that its catalogue has
//! committed. While the server is away the worker goes on with the cameras it had; what another worker has watched meanwhile
//! the server refuses by the lease's epoch. A full spool blocks the cameras' threads: frames are lost, counted; sightings are
//! not.
//!
//! What it refuses: to send anything but sightings with redacted crops. Cameras' addresses and passwords stay in this
//! machine's files. It links neither a catalogue nor an index, and reads nothing from the server but its leases.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod error;
mod kept;
mod lease_client;
mod link;
mod push;
mod readings;
mod sink;
mod status;
mod worker;

pub use error::WorkerError;
pub use link::Link;
pub use readings::{Reader, Readings};
pub use status::camera_status;
pub use worker::{Worker, WorkerOptions};
