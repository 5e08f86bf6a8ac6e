//! When a file says that it was recorded.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use types::CaptureTime;

use crate::{Footage, MediaError, cell, probe::first_picture};

/// The date and time in the container's tags, such as MP4's creation time; `None` where there is none, or no time of day, or
/// the epoch of a recorder whose clock was never set. It is what the recorder's clock said, at the beginning or the end.
pub fn recorded(path: &Path) -> Result<Option<CaptureTime>, MediaError> {
    let micros = cell::recorded(&Footage::open(path)?)?;
    // Not from before there were such recorders.
    Ok(micros.and_then(|micros| CaptureTime::from_micros(micros).ok()).filter(|t| t.as_micros() > EARLIEST_US))
}

/// In a decoder: what the tags say, in microseconds since 1970.
pub(crate) fn tagged(footage: &Footage) -> Result<Option<i64>, MediaError> {
    let (reader, _) = first_picture(footage)?;
    let pad = reader.decoder_pad();
    let tags: Vec<gst::TagList> =
        (0..).map_while(|i| pad.as_ref()?.sticky_event::<gst::event::Tag>(i)).map(|event| event.tag_owned()).collect();
    let of = |scope| tags.iter().filter(move |t| t.scope() == scope);
    let mut all = of(gst::TagScope::Global).chain(of(gst::TagScope::Stream));
    let Some(time) = all.find_map(|tags| Some(tags.get::<gst::tags::DateTime>()?.get())) else { return Ok(None) };
    if !time.has_time() {
        return Ok(None);
    }
    let text = time.to_iso8601_string();
    let text = text.map_err(|e| MediaError::Unreadable { input: footage.input(), what: e.to_string() })?;
    // Not without its zone.
    let parsed: Option<CaptureTime> = text.parse().ok();
    Ok(parsed.map(|t| t.as_micros()))
}

/// 1990.
const EARLIEST_US: i64 = 631_152_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_not_a_file_without_a_time() {
        assert!(recorded(Path::new("/no/such/file.mp4")).is_err());
    }
}
