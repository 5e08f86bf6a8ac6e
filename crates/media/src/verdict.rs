//! What GStreamer's errors mean. Its debug text is never passed on: it may hold a camera's address.

use std::time::Duration;

use gstreamer as gst;
use gstreamer::{MessageView, prelude::*};

use crate::{MediaError, chain::codec_name, shared::Shared};

/// What a pipeline said before it ended.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    error: Option<gst::glib::Error>,
    missing_plugin: Option<String>,
    /// What the source was taken for, by its first bytes.
    typed: Option<String>,
}

impl Complaints {
    /// Reads what is on the bus without waiting; true if it holds an error.
    pub(crate) fn gather(&mut self, bus: &gst::Bus, shared: &Shared) -> bool {
        while let Some(message) = bus.pop() {
            match message.view() {
                MessageView::Error(error) => {
                    tracing::debug!(element = ?error.src().map(|s| s.name()), error = %error.error().message(), "pipeline error");
                    self.error.get_or_insert_with(|| error.error());
                }
                MessageView::Warning(warning) if warning.error().matches(gst::StreamError::Decode) => {
                    Shared::count(&shared.decode_errors)
                }
                MessageView::Element(element) => {
                    let missing = element.structure().filter(|s| s.name() == "missing-plugin");
                    if let Some(missing) = missing {
                        let detail = missing.get::<gst::Caps>("detail").ok();
                        self.typed = detail.as_ref().and_then(|c| c.structure(0)).map(|s| s.name().to_string());
                        self.missing_plugin = detail.as_ref().map(codec_name).or_else(|| missing.get("name").ok());
                    }
                }
                _ => {}
            }
        }
        self.error.is_some()
    }

    fn message(&self) -> String {
        let message = self.error.as_ref().map(|error| error.message().trim_end_matches('.').to_owned());
        message.unwrap_or_else(|| "it ended without a picture".into())
    }

    fn is<T: gst::glib::error::ErrorDomain + PartialEq>(&self, code: T) -> bool {
        self.error.as_ref().is_some_and(|error| error.matches(code))
    }

    /// For a file that the container's own structure does not call cut.
    pub(crate) fn about_file(&self, input: String, shared: &Shared, at: Duration) -> MediaError {
        let found = shared.found();
        if let Some(what) = &found.broken {
            return MediaError::Internal { input, what: what.clone() };
        }
        if let Some(what) = &found.unsupported {
            return MediaError::Unsupported { input, what: what.clone() };
        }
        if found.video.is_some() {
            let what = if self.error.is_none() && shared.unseen() > 0 {
                "none of its pictures can be seen: each is made from others that are missing".into()
            } else {
                self.message()
            };
            return MediaError::Damaged { input, at, what };
        }
        if let Some(what) = &self.missing_plugin {
            let typed = self.typed.as_deref().unwrap_or_default();
            if typed.starts_with("video/") {
                return MediaError::Unsupported { input, what: what.clone() };
            }
            if !typed.starts_with("audio/") {
                return MediaError::NotMedia { input, what: format!("it looks like {what}") };
            }
        }
        if found.sound || self.typed.as_deref().is_some_and(|typed| typed.starts_with("audio/")) {
            return MediaError::NoVideo { input };
        }
        MediaError::NotMedia { input, what: "its content is of no known kind".into() }
    }

    /// As far as GStreamer can tell; the door may know more.
    pub(crate) fn about_camera(&self, input: String, shared: &Shared) -> MediaError {
        let found = shared.found();
        if let Some(what) = &found.broken {
            return MediaError::Internal { input, what: what.clone() };
        }
        if let Some(what) = &found.unsupported {
            return MediaError::Unsupported { input, what: what.clone() };
        }
        if self.is(gst::ResourceError::NotAuthorized) {
            return MediaError::Unauthorised { input };
        }
        if found.video.is_some() {
            return MediaError::Unreachable { input, what: "the connection was lost".into() };
        }
        if let Some(what) = &self.missing_plugin {
            return MediaError::Unsupported { input, what: what.clone() };
        }
        if found.sound {
            return MediaError::NoVideo { input };
        }
        if self.is(gst::ResourceError::OpenRead) || self.is(gst::ResourceError::OpenReadWrite) {
            return no_answer(input);
        }
        // What GStreamer calls it is in the log; nobody at a camera can do anything with it.
        tracing::debug!(input, message = self.message(), "the stream did not begin");
        let what = if self.is(gst::ResourceError::NotFound) {
            "nothing at this path".into()
        } else {
            "the camera ended it before a picture came, or speaks RTSP in a way that is not understood".into()
        };
        MediaError::Unreachable { input, what }
    }
}

/// Whatever is at the other end that is no camera: a closed port, one that is silent, or another service.
pub(crate) fn no_answer(input: String) -> MediaError {
    MediaError::Unreachable { input, what: "nothing answers there as a camera does".into() }
}
