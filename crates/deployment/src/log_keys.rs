//! By which keys the log of a home folder is believed.

use access::log::{NoteKey, Trust};
use audit_log::{LogFault, public_half, read_introductions, read_key};

use crate::home::Home;

/// Whom to believe of a deployment's log: its key, and what is known of those before.
///
/// # Errors
/// [`LogFault`] where the key or its introductions can't be read.
pub fn log_trust(home: &Home) -> Result<Trust, LogFault> {
    let key = log_key(home)?;
    let known = read_introductions(&home.log_introductions(), key.name())?;
    Ok(Trust::knowing(key, known))
}

/// The verifier key of a deployment's log.
///
/// # Errors
/// [`LogFault::Io`] where the file can't be read; [`LogFault::Key`] where it is no key.
pub fn log_key(home: &Home) -> Result<NoteKey, LogFault> {
    read_key(&public_half(&home.log_key()))
}
