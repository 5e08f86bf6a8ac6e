//! The reader that a cell runs, in the process itself. What a cell costs is measured beside it (`examples/cost.rs`). Not
//! compiled into a release: no program of ours decodes in its own process.

use std::{path::Path, time::Duration};

use crate::{
    Footage, MediaError, RtspSource, Sampling,
    reader::{LocalReader, Way},
};

/// Reads one file or camera in this process.
#[derive(Debug)]
pub struct Reader(LocalReader);

impl Reader {
    /// Starts reading a file.
    ///
    /// # Errors
    /// As [`crate::FrameReader::open_file`].
    pub fn open_file(path: &Path, sampling: Sampling) -> Result<Self, MediaError> {
        LocalReader::open_footage(&Footage::open(path)?, sampling, None).map(Self)
    }

    /// Starts connecting to a camera, with no door between. `location` is its whole address.
    ///
    /// # Errors
    /// As [`crate::FrameReader::open_rtsp`].
    pub fn open_rtsp(location: &str, like: &RtspSource, sampling: Sampling) -> Result<Self, MediaError> {
        let (location, key) = (location.to_owned(), "sightline".to_owned());
        LocalReader::open_rtsp(&Way { location, key, latency: like.latency, timeout: like.connect_timeout }, sampling).map(Self)
    }

    /// Whether another picture came; it is dropped at once.
    ///
    /// # Errors
    /// As [`crate::FrameReader::next`].
    pub fn next(&mut self, timeout: Duration) -> Result<bool, MediaError> {
        self.0.next(timeout).map(|picture| picture.is_some())
    }
}
