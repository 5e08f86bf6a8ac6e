use crate::{MediaError, installed};

/// Whether GStreamer is here and decoders can be started and confined: a broken installation shows early. Loads nothing into
/// this process.
///
/// # Errors
/// As [`installed`].
pub fn init() -> Result<(), MediaError> {
    installed().map(drop)
}
