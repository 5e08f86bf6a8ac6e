//! The home folder on disk: where things lie, who may have it open, its keys and certificates.
//!
//! Private keys are readable by their owner alone, a home folder that is half made never looks whole, and files that only go
//! together are exchanged together. What of all this counts is on the record, which is the server's to write.
//!
//! What it refuses: a home folder that others may enter, or that another process has open; to write over what is there; an
//! organisation's name that could be taken for another's.

#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod address_file;
mod authority;
pub mod certificate;
mod error;
mod exchange;
pub mod grant_keys;
mod home;
mod identities;
mod init;
mod lock;
mod log_keys;
pub mod mark;
mod modes;
mod rotate;

pub use authority::PkiError;
pub use error::DeploymentError;
pub use exchange::Exchange;
pub use home::Home;
pub use identities::{IssuedIdentity, IssuedService, NewIdentity, issue, issue_by, issue_to_service};
pub use init::{AUTHORITY, InitOptions, init};
pub use lock::{HomeLock, LockError, check_mode};
pub use log_keys::{log_key, log_trust};
pub use modes::{make_private, private_folder};
pub use rotate::{
    NewGrantKey, RotateError, RotatedGrantKey, RotatedServer, drop_old_authority, finish_exchanges, rotate_authority,
    rotate_grant_key, rotate_server,
};
