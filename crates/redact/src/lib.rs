//! Turns a raw crop into a [`RedactedCrop`]: faces and heads are filled with one colour, then the picture is made small.
//! This crate owns the only constructor of [`RedactedCrop`], and only a [`RedactedCrop`] can be embedded or stored.
//!
//! What is erased: every face that a [`FaceFinder`] finds, grown, and the head region of every figure in the crop,
//! whether a face was found there or not. The order is erase, then shrink; no pixel of an erased region ever
//! contributes to a pixel that is kept.
//!
//! What it refuses to do: to hand out a crop when the face finder failed (it fails closed), to keep a face for later, to
//! describe or compare faces, and to read a picture that it did not write.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod codec;
mod crop;
mod error;
mod face;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod look;
mod redact;
mod regions;

pub use codec::DecodeError;
pub use crop::RedactedCrop;
pub use error::RedactError;
pub use face::{FaceFinder, FaceFinderError, FoundFace};
pub use redact::{Subject, redact};
pub use regions::{stored_region, view_region};
