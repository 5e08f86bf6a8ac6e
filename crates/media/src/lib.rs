//! Files and cameras to timestamped frames, through GStreamer. The only crate that sees GStreamer.
//!
//! ```text
//! file ▶ parsebin ▶ decoder (one thread) ▶ gate ▶ convert ▶ deinterlace ▶ rotate ▶ scale ▶ appsink (4 frames) ▶ FrameReader
//! rtsp ▶ Door ▶ depay+parse ▶ ...          (drops what the sampling rate does not want; what follows costs nothing
//!                                           unless the picture needs it)
//! ```
//!
//! A [`types::Frame`] borrows the decoder's buffer: pixels are mapped, never copied. A file blocks its decoder while the
//! reader is slow; a camera does not, and loses its oldest waiting frame, counted. Dropping a [`FrameReader`] stops every
//! thread it started and closes every descriptor.
//!
//! This crate does not reconnect (the caller does, by [`CameraState`] and [`Backoff`]), writes nothing to disk, decodes no
//! sound, and never prints a camera's credentials or its full address.

mod allowed;
mod backoff;
mod camera;
mod chain;
mod clock;
mod completeness;
mod door;
mod element;
mod error;
mod footage_info;
mod handle;
mod init;
mod installed;
mod names;
mod networks;
mod pixels;
mod probe;
mod reader;
mod recorded;
mod reordered;
mod sampling;
mod shared;
mod source;
mod verdict;

pub use backoff::Backoff;
pub use camera::{CameraEvent, CameraState};
pub use clock::CameraClock;
pub use error::MediaError;
pub use footage_info::FootageInfo;
pub use handle::{FileStamp, Footage};
pub use init::init;
pub use installed::{Ability, Installed, installed};
pub use networks::{BadNetwork, Network, Networks};
pub use probe::{probe, probe_footage};
pub use reader::FrameReader;
pub use recorded::recorded;
pub use sampling::Sampling;
pub use shared::ReaderStats;
pub use source::{Credentials, RtspSource, Source, Transport};
