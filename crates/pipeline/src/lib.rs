//! From frames to sightings: each camera's or file's frames go through detection, tracking, erasure, description and
//! embedding, and what comes out goes to a [`SightingSink`].
//!
//! ```text
//! media (GStreamer's threads, bounded appsink) ─▶ Scene (one thread: detect ▶ track ▶ keep the best crops)
//!     ─ when a track ends ─▶ redact ▶ embed ▶ describe ─▶ batch ─▶ SightingSink (blocks: sightings are never dropped)
//! ```
//!
//! The only queue is the reader's own; it is bounded and, for a file, blocks the decoder. Raw crops live in the
//! [`Scene`] until their track ends and leave it redacted or not at all. [`Watchers`] keeps a thread a live camera;
//! [`Spool`] keeps, on disk and bounded, what was seen and is not known to be stored yet. This crate knows no catalogue and
//! no search.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod anew;
mod archived;
mod candidate;
mod clock_trend;
mod closer;
mod detection_scheduler;
mod footage;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod live;
mod scene;
mod secrets;
mod segment;
mod sink;
mod spool;
mod surroundings;
mod watchers;

pub use anew::{AddressAsked, Anew, AskedOutcome, KeepAddress};
pub use archived::Archived;
pub use clock_trend::ClockDrift;
pub use detection_scheduler::{AttentionOptions, DetectionScheduler, ScanCounts};
pub use footage::{FootageError, FootageProgress, FootageSummary, FootageTask, run_footage, run_segment};
pub use live::{FrameCounts, LEFT_ALONE, LiveStatus, LiveTask, Patience, VisionPool, watch_camera};
pub use scene::{Scene, SceneError, SceneOptions, SceneOrigin, SceneStats};
pub use secrets::{CameraSecrets, Device, KeptAddress, SecretError};
pub use segment::Segment;
pub use sink::{NewSighting, SightingSink, SinkError};
pub use spool::{Spool, SpoolError, SpoolState};
pub use watchers::{Blocked, SinkFor, Watch, Watchers};
