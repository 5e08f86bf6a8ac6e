//! What a file is, before anybody spends time on it.

use std::{path::Path, time::Duration};

use types::{CaptureTime, ClockUncertainty, Size, TimeSource, TimeStamp};

use crate::{Footage, FootageInfo, FrameReader, MediaError, Sampling};

/// How long a first picture may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the file and decodes its first picture. A file that is cut but has a readable part passes: reading it ends in
/// [`MediaError::Truncated`].
pub fn probe(path: &Path) -> Result<FootageInfo, MediaError> {
    probe_footage(&Footage::open(path)?)
}

/// As [`probe`], of a file that was opened.
pub fn probe_footage(footage: &Footage) -> Result<FootageInfo, MediaError> {
    let (reader, size) = first_picture(footage)?;
    Ok(reader.info(size))
}

/// A reader that has read the first picture, and that picture's size.
pub(crate) fn first_picture(footage: &Footage) -> Result<(FrameReader, Size), MediaError> {
    let start = TimeStamp { time: CaptureTime::now(), uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
    let mut reader = FrameReader::open_footage(footage, Sampling::all(), start)?;
    match reader.next(PATIENCE)? {
        Some(frame) => {
            let size = frame.size();
            Ok((reader, size))
        }
        None => Err(MediaError::NotMedia { input: footage.input(), what: "it holds no picture".into() }),
    }
}
