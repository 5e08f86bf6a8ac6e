//! When a file says that it was recorded.

use std::path::Path;

use types::CaptureTime;

use crate::{Footage, MediaError, cell, told::EARLIEST_US};

/// The date and time in the container's tags, such as MP4's creation time; `None` where there is none, or no time of day, or
/// the epoch of a recorder whose clock was never set. It is what the recorder's clock said, at the beginning or the end.
///
/// # Errors
/// [`MediaError`] where the file is missing, no footage, or can't be read.
pub fn recorded(path: &Path) -> Result<Option<CaptureTime>, MediaError> {
    let micros = cell::recorded(&Footage::open(path)?)?;
    // Not from before there were such recorders.
    Ok(micros.and_then(|micros| CaptureTime::from_micros(micros).ok()).filter(|t| t.as_micros() > EARLIEST_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_not_a_file_without_a_time() {
        assert!(recorded(Path::new("/no/such/file.mp4")).is_err());
    }
}
