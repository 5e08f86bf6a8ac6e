//! What a container says of when it was made.

use gstreamer as gst;
use gstreamer::prelude::*;
use types::CaptureTime;

use crate::{Footage, MediaError, created::created, first_picture::first_picture};

/// 1990.
pub(crate) const EARLIEST_US: i64 = 631_152_000_000_000;

/// In a decoder: what the container says, in microseconds since 1970.
pub(crate) fn told(footage: &Footage) -> Result<Option<i64>, MediaError> {
    let unreadable = |e: std::io::Error| MediaError::Unreadable { input: footage.input(), what: e.kind().to_string() };
    // The structure itself, where it says so: demuxers pass on less.
    if let Some(time) = created(footage.file()).map_err(unreadable)?.filter(|t| t.as_micros() > EARLIEST_US) {
        return Ok(Some(time.as_micros()));
    }
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
