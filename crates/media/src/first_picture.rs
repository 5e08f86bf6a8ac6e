//! The first picture of a file, with which all that can be known of it is known.

use std::time::Duration;

use types::Size;

use crate::{Footage, MediaError, Sampling, reader::LocalReader};

/// How long a first picture may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
