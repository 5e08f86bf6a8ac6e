//! What an auditor runs: `verify`, `log verify` and `witness`, and how their answers and failures are shown.
//!
//! `sightline` has these as commands of its own, and `sightline-verify` is a program of nothing else, for machines without a
//! server, a model or a media library. Both run the code here, so that they say the same in the same words.
//!
//! What it refuses: to say of anything that it is to be believed when no key was named for it.

#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod bundle;
#[cfg(test)]
#[path = "../../../fuzz/corpora.rs"]
mod corpora;
pub mod failure;
mod keys;
mod log;
pub mod output;
pub mod usage;
mod verify;
mod witness;

/// The version of this program, with the commit and its date where it was built for a release.
pub const VERSION: &str = env!("SIGHTLINE_VERSION");

pub use self::{
    keys::{Deployment, Keys, fault},
    log::VerifyLog,
    verify::{Verify, not_whole},
    witness::Witness,
};
