//! What a file is, before anybody spends time on it.

use std::path::Path;

use crate::{Footage, FootageInfo, MediaError, cell};

/// Opens the file and decodes its first picture. A file that is cut but has a readable part passes: reading it ends in
/// [`MediaError::Truncated`].
///
/// # Errors
/// [`MediaError`] where the file is missing, no footage, or its first picture can't be decoded.
pub fn probe(path: &Path) -> Result<FootageInfo, MediaError> {
    probe_footage(&Footage::open(path)?)
}

/// As [`probe`], of a file that was opened.
///
/// # Errors
/// As [`probe`].
pub fn probe_footage(footage: &Footage) -> Result<FootageInfo, MediaError> {
    cell::probe(footage)
}
