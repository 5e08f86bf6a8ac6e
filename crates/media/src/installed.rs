//! What of GStreamer is installed here, for whoever looks after the machine.

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::{MediaError, cell};

/// The oldest version that this is written for.
const OLDEST: (u32, u32) = (1, 22);

/// Something that GStreamer is needed for, and what does it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ability {
    pub what: &'static str,
    /// Elements that can do it; one is enough.
    pub elements: &'static [&'static str],
    /// The package of Debian that has it.
    pub package: &'static str,
    /// Without it nothing can be watched at all.
    pub needed: bool,
    /// The element that is there, with the version of its plugin.
    pub found: Option<(&'static str, String)>,
}

/// GStreamer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub version: String,
    pub is_new_enough: bool,
    pub abilities: Vec<Ability>,
}

type Row = (&'static str, &'static [&'static str], &'static str, bool);

const ABILITIES: [Row; 19] = [
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

/// Looks up what there is; makes and opens nothing.
pub fn installed() -> Result<Installed, MediaError> {
    let ((major, minor, micro), found) = cell::installed()?;
    let abilities = ABILITIES.iter().zip(found.into_iter().chain(std::iter::repeat(None)));
    let abilities = abilities.map(|((what, elements, package, needed), found)| Ability {
        what,
        elements,
        package,
        needed: *needed,
        found: found.and_then(|(which, version)| Some((*elements.get(which)?, version))),
    });
    Ok(Installed {
        version: format!("{major}.{minor}.{micro}"),
        is_new_enough: (major, minor) >= OLDEST,
        abilities: abilities.collect(),
    })
}

/// GStreamer's version, and for each row which element is there and the version of its plugin.
pub(crate) type Found = ((u32, u32, u32), Vec<Option<(usize, String)>>);

/// In a decoder.
pub(crate) fn look() -> Result<Found, MediaError> {
    crate::reader::load()?;
    let found = ABILITIES.iter().map(|(_, elements, ..)| {
        elements.iter().enumerate().find_map(|(which, name)| {
            let factory = gst::ElementFactory::find(name)?;
            Some((which, factory.plugin().map(|plugin| plugin.version().to_string()).unwrap_or_default()))
        })
    });
    let (major, minor, micro, _) = gst::version();
    Ok(((major, minor, micro), found.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tests_run_on_is_found_with_its_version_and_what_decodes_may_be_plugged() {
        let installed = installed().unwrap();
        assert!(installed.is_new_enough, "{}", installed.version);
        for ability in installed.abilities.iter().filter(|ability| ability.needed) {
            let (_, version) = ability.found.as_ref().unwrap_or_else(|| panic!("{} is not here", ability.what));
            assert!(version.starts_with("1."), "{ability:?}");
        }
        for (_, elements, ..) in ABILITIES.iter().filter(|(what, ..)| what.starts_with("decoding")) {
            assert!(elements.iter().all(|name| crate::allowed::decoder(name)), "{elements:?}");
        }
    }
}
