//! When a file says that it was recorded.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use types::CaptureTime;

use crate::{MediaError, probe::first_picture};

/// The date and time in the container's tags, such as MP4's creation time; `None` where there is none, or no time of day, or
/// the epoch of a recorder whose clock was never set. It is what the recorder's clock said, at the beginning or the end.
pub fn recorded(path: &Path) -> Result<Option<CaptureTime>, MediaError> {
    let footage = crate::Footage::open(path)?;
    let unreadable = |e: std::io::Error| MediaError::Unreadable { input: path.display().to_string(), what: e.kind().to_string() };
    // The structure itself, where it says so: demuxers pass on less.
    if let Some(time) = crate::created::created(footage.file()).map_err(unreadable)?.filter(|t| t.as_micros() > EARLIEST_US) {
        return Ok(Some(time));
    }
    let (reader, _) = first_picture(&footage)?;
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
    let text = text.map_err(|e| MediaError::Unreadable { input: path.display().to_string(), what: e.to_string() })?;
    // Not without its zone, and not from before there were such recorders.
    let parsed: Option<CaptureTime> = text.parse().ok();
    Ok(parsed.filter(|t| t.as_micros() > EARLIEST_US))
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
