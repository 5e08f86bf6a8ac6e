//! The home folder on disk: where things lie, who may have it open, its keys and certificates.
//!
//! Private keys are readable by their owner alone, and a home folder that is half made never looks whole.

pub(crate) mod address_file;
pub(crate) mod certificate;
pub(crate) mod error;
pub(crate) mod grant_keys;
pub(crate) mod home;
pub(crate) mod identities;
pub(crate) mod init;
pub(crate) mod lock;
pub(crate) mod log_keys;
pub(crate) mod mark;
pub(crate) mod pki;
pub(crate) mod rotate;

pub use home::Home;
