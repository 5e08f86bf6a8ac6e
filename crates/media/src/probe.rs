//! What a file is, before anybody spends time on it.

use std::{path::Path, time::Duration};

use types::Size;

use crate::{Footage, MediaError, Sampling, cell, reader::LocalReader};

/// What a file holds. One picture was decoded to learn it, so a file that passes can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct FootageInfo {
    /// As the container announces it; `None` for bare video streams, which announce none.
    pub duration: Option<Duration>,
    /// Of the upright picture.
    pub size: Size,
    /// Frames a second as announced; `None` if variable or unknown.
    pub frame_rate: Option<f64>,
    /// Whether it is whole and reading can begin inside it: [`crate::FrameReader::open_file_from`].
    pub seekable: bool,
    /// For people, such as "H.264 (Main Profile)".
    pub codec: String,
    /// For people, such as "MP4" or "bare video stream".
    pub container: String,
}

/// How long a first picture may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the file and decodes its first picture. A file that is cut but has a readable part passes: reading it ends in
/// [`MediaError::Truncated`].
pub fn probe(path: &Path) -> Result<FootageInfo, MediaError> {
    probe_footage(&Footage::open(path)?)
}

/// As [`probe`], of a file that was opened.
pub fn probe_footage(footage: &Footage) -> Result<FootageInfo, MediaError> {
    cell::probe(footage)
}

/// In a decoder: a reader that has read the first picture, and that picture's size.
pub(crate) fn first_picture(footage: &Footage) -> Result<(LocalReader, Size), MediaError> {
    let mut reader = LocalReader::open_footage(footage, Sampling::all(), None)?;
    match reader.next(PATIENCE)? {
        Some(picture) => {
            let size = picture.pixels.size;
            Ok((reader, size))
        }
        None => Err(MediaError::NotMedia { input: footage.input(), what: "it holds no picture".into() }),
    }
}
