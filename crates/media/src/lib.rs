//! Files and cameras to timestamped frames, through GStreamer. The only crate that sees GStreamer.
//!
//! ```text
//!        ┌ a decoder's process: see `cell` ────────────────────────────────────────────────────────────────────┐
//! file ──┼▶ parsebin ▶ decoder (one thread) ▶ gate ▶ convert ▶ deinterlace ▶ rotate ▶ scale ▶ appsink (4 frames) │
//! Door ──┼▶ depay+parse ▶ ...        (drops what the sampling rate does not want; what follows costs nothing     │
//!  ▲     │                            unless the picture needs it)                   ▼ one copy                  │
//! camera └──────────────────────────────────────────────────────────────────────── ring ─▶ FrameReader ──────────┘
//! ```
//!
//! MPEG transport and program streams are taken apart by `transport` instead of `parsebin`; `keyed` lets pictures through that have
//! all that they are made from.
//!
//! A [`types::Frame`] borrows a slot of shared memory: a wanted picture is copied once, an unwanted one never. A file blocks its
//! decoder while the reader is slow; a camera does not, and loses its oldest waiting frame, counted. Dropping a [`FrameReader`]
//! ends its decoder's process and closes every descriptor.
//!
//! A program that reads footage calls [`become_decoder_if_asked`] first: its decoders are the same program, started anew.
//!
//! This crate does not reconnect (the caller does, by [`CameraState`] and [`Backoff`]), writes nothing to disk, decodes no
//! sound, and never prints a camera's credentials or its full address.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod abilities;
mod allowed;
mod backoff;
mod camera;
mod cell;
mod chain;
mod clock;
mod completeness;
mod created;
mod door;
mod element;
mod error;
mod feed;
mod first_picture;
mod footage_info;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
#[cfg(debug_assertions)]
#[doc(hidden)]
pub mod in_process;
mod init;
mod installed;
mod keyed;
mod movie;
mod names;
mod networks;
mod pixels;
mod probe;
mod reader;
mod recorded;
mod reordered;
mod replay;
mod replayed;
mod sampling;
mod shared;
mod source;
mod spans;
mod told;
mod transport;
mod verdict;

pub use backoff::Backoff;
pub use camera::{CameraEvent, CameraState};
#[cfg(debug_assertions)]
#[doc(hidden)]
pub use cell::decoders_fail;
pub use cell::{Decoders, become_decoder_if_asked, decoders, reading::FrameReader, sandbox_off, sandboxed};
pub use clock::CameraClock;
pub use contact::{BadPin, Pin};
pub use error::{Death, MediaError};
pub use footage_info::FootageInfo;
pub use handle::{FileStamp, Footage};
pub use init::init;
pub use installed::{Ability, Installed, installed};
pub use networks::{BadNetwork, Network, Networks};
pub use probe::{probe, probe_footage};
pub use recorded::recorded;
pub use replay::Replay;
pub use sampling::Sampling;
pub use shared::ReaderStats;
pub use source::{Credentials, RtspSource, Source, Transport};
