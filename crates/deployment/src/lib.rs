//! The home folder on disk: where things lie, who may have it open, its keys and certificates.
//!
//! Private keys are readable by their owner alone, and a home folder that is half made never looks whole.

pub mod address_file;
pub mod certificate;
mod error;
pub mod grant_keys;
mod home;
mod identities;
mod init;
mod lock;
mod log_keys;
pub mod mark;
pub mod pki;
mod rotate;

pub use error::DeploymentError;
pub use home::Home;
pub use identities::{IssuedIdentity, IssuedService, NewIdentity, issue, issue_by, issue_to_service};
pub use init::{AUTHORITY, InitOptions, init};
pub use lock::{HomeLock, LockError, check_mode};
pub use log_keys::{log_key, log_trust};
pub use rotate::{
    NewGrantKey, RotateError, RotatedGrantKey, RotatedServer, drop_old_authority, finish, rotate_authority, rotate_grant_key,
    rotate_server,
};
