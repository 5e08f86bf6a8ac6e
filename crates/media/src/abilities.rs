//! What GStreamer is needed for, and which elements do it.

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{MediaError, reader::load};

pub(crate) type Row = (&'static str, &'static [&'static str], &'static str, bool);

pub(crate) const ABILITIES: [Row; 19] = [
    ("reading files", &["filesrc"], "libgstreamer1.0-0", true),
    ("finding out what a file is", &["parsebin"], "gstreamer1.0-plugins-base", true),
    ("handing pictures over", &["appsink"], "gstreamer1.0-plugins-base", true),
    ("converting pictures", &["videoconvert"], "gstreamer1.0-plugins-base", true),
    ("scaling pictures", &["videoscale"], "gstreamer1.0-plugins-base", true),
    ("turning pictures", &["videoflip"], "gstreamer1.0-plugins-good", true),
    ("interlaced pictures", &["deinterlace"], "gstreamer1.0-plugins-good", true),
    ("cameras (RTSP)", &["rtspsrc"], "gstreamer1.0-plugins-good", true),
    ("H.264 from cameras", &["rtph264depay"], "gstreamer1.0-plugins-good", true),
    ("H.265 from cameras", &["rtph265depay"], "gstreamer1.0-plugins-good", false),
    ("JPEG from cameras", &["rtpjpegdepay"], "gstreamer1.0-plugins-good", false),
    ("MP4 files", &["qtdemux"], "gstreamer1.0-plugins-good", true),
    ("Matroska files", &["matroskademux"], "gstreamer1.0-plugins-good", false),
    ("AVI files", &["avidemux"], "gstreamer1.0-plugins-good", false),
    ("MPEG transport streams", &["tsdemux"], "gstreamer1.0-plugins-bad", false),
    ("H.264", &["h264parse"], "gstreamer1.0-plugins-bad", true),
    ("decoding H.264", &["avdec_h264", "openh264dec"], "gstreamer1.0-libav", true),
    ("decoding H.265", &["avdec_h265", "libde265dec"], "gstreamer1.0-libav", false),
    ("decoding JPEG", &["jpegdec", "avdec_mjpeg"], "gstreamer1.0-plugins-good", false),
];

/// GStreamer's version, and for each row which element is there and the version of its plugin.
pub(crate) type Found = ((u32, u32, u32), Vec<Option<(usize, String)>>);

/// In a decoder.
pub(crate) fn look() -> Result<Found, MediaError> {
    load()?;
    let found = ABILITIES.iter().map(|(_, elements, ..)| {
        elements.iter().enumerate().find_map(|(which, name)| {
            let factory = gst::ElementFactory::find(name)?;
            Some((which, factory.plugin().map(|plugin| plugin.version().to_string()).unwrap_or_default()))
        })
    });
    let (major, minor, micro, _) = gst::version();
    Ok(((major, minor, micro), found.collect()))
}
