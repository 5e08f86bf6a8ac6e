use crate::MediaError;

/// Loads GStreamer. Everything else here calls it too; calling it early shows a broken installation early.
pub fn init() -> Result<(), MediaError> {
    gstreamer::init().map_err(|error| MediaError::Internal { input: "GStreamer".into(), what: error.to_string() })
}
