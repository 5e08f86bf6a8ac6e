//! What may read, take apart and decode footage. Whatever GStreamer has installed besides is never made: a playlist's
//! demuxer opens addresses of its own, and nobody looks at what the rarer ones do with hostile bytes.

use gstreamer as gst;
use gstreamer::{glib, prelude::*};

use crate::{
    MediaError,
    element::{broken, element},
};

/// Containers and bare streams. None of these opens anything: each takes bytes from its sink pad alone.
const DEMUXERS: [&str; 14] = [
    "asfdemux",
    "avidemux",
    "dvdemux",
    "flvdemux",
    "id3demux",
    "ivfparse",
    "matroskademux",
    "mpegpsdemux",
    "mxfdemux",
    "oggdemux",
    "qtdemux",
    "tsdemux",
    "wavparse",
    "y4mdec",
];

const PARSERS: [&str; 24] = [
    "aacparse",
    "ac3parse",
    "amrparse",
    "av1parse",
    "dcaparse",
    "diracparse",
    "flacparse",
    "h263parse",
    "h264parse",
    "h265parse",
    "jpeg2000parse",
    "jpegparse",
    "mpeg4videoparse",
    "mpegaudioparse",
    "mpegvideoparse",
    "opusparse",
    "pngparse",
    "rawvideoparse",
    "theoraparse",
    "tsparse",
    "vc1parse",
    "vorbisparse",
    "vp9parse",
    "wavpackparse",
];

/// How cameras send pictures.
const DEPAYLOADERS: [&str; 12] = [
    "rtpav1depay",
    "rtph263depay",
    "rtph263pdepay",
    "rtph264depay",
    "rtph265depay",
    "rtpjpegdepay",
    "rtpmp2tdepay",
    "rtpmp4gdepay",
    "rtpmp4vdepay",
    "rtpmpvdepay",
    "rtpvp8depay",
    "rtpvp9depay",
];

const DECODERS: [&str; 44] = [
    "av1dec",
    "avdec_av1",
    "avdec_cinepak",
    "avdec_dnxhd",
    "avdec_dvvideo",
    "avdec_ffv1",
    "avdec_flv",
    "avdec_h263",
    "avdec_h263p",
    "avdec_h264",
    "avdec_h265",
    "avdec_huffyuv",
    "avdec_indeo5",
    "avdec_jpeg2000",
    "avdec_jpegls",
    "avdec_mjpeg",
    "avdec_mpeg2video",
    "avdec_mpeg4",
    "avdec_mpegvideo",
    "avdec_msmpeg4",
    "avdec_msmpeg4v1",
    "avdec_msmpeg4v2",
    "avdec_msvideo1",
    "avdec_prores",
    "avdec_rawvideo",
    "avdec_svq1",
    "avdec_svq3",
    "avdec_theora",
    "avdec_vc1",
    "avdec_vp6f",
    "avdec_vp8",
    "avdec_vp9",
    "avdec_wmv1",
    "avdec_wmv2",
    "avdec_wmv3",
    "dav1ddec",
    "dvdec",
    "jpegdec",
    "libde265dec",
    "mpeg2dec",
    "openh264dec",
    "theoradec",
    "vp8dec",
    "vp9dec",
];

/// Whether a decoder may be made.
pub(crate) fn decoder(name: &str) -> bool {
    DECODERS.contains(&name)
}

/// Whether an element may be plugged before the decoder.
pub(crate) fn parser(name: &str) -> bool {
    DEMUXERS.contains(&name) || PARSERS.contains(&name) || DEPAYLOADERS.contains(&name)
}

/// The one way to a `parsebin`: one that plugs nothing else.
pub(crate) fn parsebin() -> Result<gst::Element, MediaError> {
    let parse = element("parsebin")?;
    // TRY and SKIP of `GstAutoplugSelectResult`, which has no type in the bindings.
    let answer = glib::Type::from_name("GstAutoplugSelectResult").and_then(glib::EnumClass::with_type);
    let answer = answer.ok_or_else(|| broken("parsebin does not ask what to plug"))?;
    let (plug, skip) = (answer.to_value_by_nick("try"), answer.to_value_by_nick("skip"));
    if plug.is_none() || skip.is_none() {
        return Err(broken("parsebin asks in another way what to plug"));
    }
    parse.connect("autoplug-select", false, move |values| {
        let factory = values.get(3).and_then(|v| v.get::<gst::ElementFactory>().ok());
        let allowed = factory.is_some_and(|factory| parser(&factory.name()));
        answer.to_value_by_nick(if allowed { "try" } else { "skip" })
    });
    Ok(parse)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Everything that the allow-list lets through, of what is installed here.
    fn let_through() -> Vec<gst::ElementFactory> {
        crate::reader::load().unwrap();
        let all = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::ANY, gst::Rank::NONE);
        all.into_iter().filter(|f| parser(&f.name()) || decoder(&f.name())).collect()
    }

    #[test]
    fn nothing_that_is_allowed_opens_an_address_of_its_own() {
        let mut seen = 0;
        for factory in let_through() {
            seen += 1;
            let name = factory.name();
            assert!(
                factory.has_type(
                    gst::ElementFactoryType::DEMUXER
                        | gst::ElementFactoryType::PARSER
                        | gst::ElementFactoryType::DEPAYLOADER
                        | gst::ElementFactoryType::DECODER
                ),
                "{name}"
            );
            for word in ["Source", "Sink", "Adaptive", "Hardware"] {
                let klass = factory.metadata("klass").unwrap_or_default();
                assert!(!klass.contains(word), "{name}: {klass}");
            }
            let made = factory.create().build().unwrap();
            assert!(!made.is::<gst::Bin>(), "{name} makes other elements");
            assert!(made.dynamic_cast_ref::<gst::URIHandler>().is_none(), "{name} takes addresses");
            for property in ["location", "uri", "connection-speed", "proxy"] {
                assert!(made.find_property(property).is_none(), "{name} has {property}");
            }
        }
        assert!(seen > 20, "{seen}");
    }

    /// Of every type that GStreamer can find in bytes: what parsebin would plug, and what ours does.
    #[test]
    fn of_every_container_that_is_known_only_what_is_allowed_is_plugged() {
        crate::reader::load().unwrap();
        let kinds = gst::ElementFactoryType::DECODABLE;
        let factories = gst::ElementFactory::factories_with_type(kinds, gst::Rank::MARGINAL);
        let (mut types, mut refused) = (0, BTreeSet::new());
        for found in gst::TypeFindFactory::factories() {
            let Some(caps) = found.caps() else { continue };
            types += 1;
            for factory in factories.iter().filter(|f| f.can_sink_any_caps(&caps)) {
                let bin = parsebin().unwrap();
                let pad = gst::Pad::new(gst::PadDirection::Src);
                let answer =
                    bin.emit_by_name_with_values("autoplug-select", &[pad.to_value(), caps.to_value(), factory.to_value()]);
                let answer = answer.unwrap();
                let (_, answer) = glib::EnumValue::from_value(&answer).unwrap();
                let allowed = parser(&factory.name());
                assert_eq!(answer.nick(), if allowed { "try" } else { "skip" }, "{} for {caps}", factory.name());
                if !allowed {
                    refused.insert(factory.name().to_string());
                }
            }
        }
        assert!(types > 50, "{types}");
        for (name, is) in [("hlsdemux", true), ("dashdemux", true), ("mssdemux", true), ("sdpdemux", true), ("qtdemux", false)] {
            assert_eq!(parser(name), !is, "{name}");
            // Some are plugged by nobody unless they are asked for by name.
            let offered = factories.iter().any(|f| f.name() == name);
            assert!(!offered || refused.contains(name) == is, "{name}: {refused:?}");
        }
    }
}
