//! When a file says that it was recorded.

use std::path::Path;

use gstreamer as gst;
use gstreamer_pbutils::{Discoverer, prelude::*};
use types::CaptureTime;

use crate::MediaError;

/// The date and time in the container's tags, such as MP4's creation time; `None` where there is none, or no time of day, or
/// the epoch of a recorder whose clock was never set. It is what the recorder's clock said, at the beginning or the end.
pub fn recorded(path: &Path) -> Result<Option<CaptureTime>, MediaError> {
    crate::init()?;
    let input = path.display().to_string();
    let broken = |what: String| MediaError::Unreadable { input: input.clone(), what };
    let absolute = std::path::absolute(path).map_err(|e| broken(e.to_string()))?;
    let uri = gst::glib::filename_to_uri(&absolute, None).map_err(|e| broken(e.to_string()))?;
    let discoverer = Discoverer::new(gst::ClockTime::from_seconds(30)).map_err(|e| broken(e.to_string()))?;
    let info = discoverer.discover_uri(&uri).map_err(|e| broken(e.to_string()))?;
    let containers = info.container_streams().into_iter().filter_map(|c| c.tags());
    let tags = containers.chain(info.video_streams().into_iter().filter_map(|v| v.tags()));
    let Some(time) = tags.filter_map(|tags| Some(tags.get::<gst::tags::DateTime>()?.get())).next() else { return Ok(None) };
    if !time.has_time() {
        return Ok(None);
    }
    let text = time.to_iso8601_string().map_err(|e| broken(e.to_string()))?;
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
