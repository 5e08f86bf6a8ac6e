//! Parts of a pipeline, and what is wrong with one.

use gstreamer as gst;

use crate::MediaError;

pub(crate) fn element(name: &'static str) -> Result<gst::Element, MediaError> {
    gst::ElementFactory::make(name)
        .build()
        .map_err(|_| MediaError::Internal { input: "GStreamer".into(), what: format!("the element {name} is not installed") })
}

pub(crate) fn broken(error: impl std::fmt::Display) -> MediaError {
    MediaError::Internal { input: "GStreamer".into(), what: error.to_string() }
}
