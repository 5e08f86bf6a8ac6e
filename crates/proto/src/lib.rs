//! The gRPC interface `sightline.v1`: code generated from `proto/sightline/v1`, its descriptors for reflection, and the
//! conversions between its messages and [`types`].
//!
//! The generated code is committed; `UPDATE_PROTO=1 cargo test -p proto` regenerates it. This crate makes no
//! connection and decides nothing: it says what the words on the wire mean.

pub mod bounds;
mod convert;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod time;
mod vocabulary;

pub use convert::{footage_digest, sighting_id, window};
pub use error::{BadMessage, REASON, hint, reason, status};
pub use time::{capture_time, duration, duration_from, timestamp};

/// The generated messages, clients and servers.
#[allow(
    clippy::all,
    clippy::needless_pass_by_value,
    clippy::redundant_clone,
    missing_debug_implementations,
    unreachable_pub,
    rust_2018_idioms
)]
pub mod v1 {
    include!("gen/sightline.v1.rs");
}

/// Descriptors of `sightline.v1` and what it imports, comments included, as an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/sightline.v1.bin");

mod debug {
    use std::fmt;

    use crate::v1::{AddRecorderRequest, Example, ExportChunk, GetCropResponse, Hit, PushRequest, SearchRequest, example::What};

    // Crops are redacted, but no picture belongs in a log.
    impl fmt::Debug for Hit {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let id = self.sighting.as_ref().map_or("", |s| s.id.as_str());
            write!(f, "Hit({}, {id}, score {}, crop of {} bytes)", self.rank, self.score, self.crop.len())
        }
    }

    // This one is not redacted yet.
    impl fmt::Debug for SearchRequest {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "SearchRequest(case {}, picture of {} bytes)", self.case_id, self.like_picture.len())
        }
    }

    // Nor may this one be.
    impl fmt::Debug for Example {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match &self.what {
                Some(What::SightingId(id)) => write!(f, "Example({id})"),
                Some(What::Picture(picture)) => write!(f, "Example(picture of {} bytes)", picture.len()),
                None => write!(f, "Example()"),
            }
        }
    }

    // With a password in it.
    impl fmt::Debug for AddRecorderRequest {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "AddRecorderRequest({} of {})", self.id, self.agency_id)
        }
    }

    impl fmt::Debug for ExportChunk {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "ExportChunk({}, {} bytes)", self.path, self.data.len())
        }
    }

    impl fmt::Debug for PushRequest {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let id = self.sighting.as_ref().map_or("", |s| s.id.as_str());
            write!(f, "PushRequest({}, {id}, epoch {}, crop of {} bytes)", self.sequence, self.epoch, self.crop.len())
        }
    }

    impl fmt::Debug for GetCropResponse {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "GetCropResponse(audit {}, crop of {} bytes)", self.audit_seq, self.crop.len())
        }
    }
}
