//! The words the other crates speak: identifiers, times, geometry, the closed vocabulary, and the values that flow from
//! a camera to a search result.
//!
//! This crate does no I/O and knows no framework. Nothing that holds pixels ([`Frame`], [`RawCrop`]) or an appearance
//! vector implements `Serialize` or a `Debug` that shows content: a raw picture can't leave the process by accident.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod chain;
mod description;
mod detection;
mod embedding;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod geometry;
mod id;
mod sighting;
mod stream_url;
mod time;
mod vocabulary;

pub use chain::Chain;
pub use description::{Described, Description, DescriptionQuery, QueryPart};
pub use detection::{Detection, TrackId, TrackPoint};
pub use embedding::{Embedding, EmbeddingError, ModelDigest, ParseDigestError};
pub use frame::{ColourMatrix, Frame, FrameError, PixelFormat, PixelSource, Plane, RawCrop};
pub use geometry::{Rect, Size};
pub use id::{AgencyId, CameraId, CaseId, FootageDigest, HoldId, IdError, JobId, RecorderId, SightingId};
pub use sighting::{Sighting, SightingOrigin};
pub use stream_url::{BadStreamUrl, StreamScheme, StreamUrl};
pub use time::{CaptureTime, ClockUncertainty, Day, MediaTime, ReceiveTime, TimeError, TimeSource, TimeStamp, TimeWindow};
pub use vocabulary::{Carried, Class, Colour, Group, Stature, UnknownWord, VehicleKind};
