//! Cameras as they are: other codecs, frames out of order, parameters that come late, rates that are not true.

use std::time::Duration;

use media::{FrameReader, RtspSource, Sampling};
use types::Frame;

use crate::{
    server::{Guard, Server},
    support::make,
};

const LIVE: &str = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1";
const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10";
const PATIENT: Duration = Duration::from_secs(20);

fn frames(launch: &str, sampling: Sampling, count: usize) -> Vec<Frame> {
    let server = Server::start(launch, Guard::Open, |_| {});
    let camera = RtspSource::new(&format!("rtsp://127.0.0.1:{}/live", server.port)).unwrap();
    let mut reader = FrameReader::open_rtsp(&camera, sampling).unwrap();
    let next = |_| reader.next(PATIENT).unwrap_or_else(|e| panic!("{launch}: {e}")).expect("the stream ended");
    (0..count).map(next).collect()
}

/// Frames run forward, and so many intervals took the time they should.
fn even(frames: &[Frame], fps: f64) {
    assert!(frames.windows(2).all(|w| w[0].at < w[1].at));
    let span = (frames[frames.len() - 1].at.as_duration() - frames[0].at.as_duration()).as_secs_f64();
    let want = (frames.len() - 1) as f64 / fps;
    assert!((span - want).abs() < 0.35 * want + 0.3, "{} frames in {span} s, not {want} s", frames.len());
}

#[test]
fn every_codec_that_cameras_speak_is_read_at_the_sampling_rate() {
    for encode in [
        &format!("{H264} ! rtph264pay name=pay0 config-interval=1"),
        "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! h265parse ! rtph265pay name=pay0 config-interval=1",
        "jpegenc ! rtpjpegpay name=pay0",
    ] {
        let got = frames(&format!("( {LIVE} ! {encode} )"), Sampling::default(), 12);
        even(&got, 5.0);
        assert_eq!((got[0].size().width, got[0].size().height), (320, 240), "{encode}");
    }
}

#[test]
fn frames_that_are_sent_out_of_order_come_out_in_the_order_they_were_taken() {
    let encode = "x264enc bframes=2 b-adapt=false speed-preset=ultrafast key-int-max=12 ! video/x-h264,profile=main";
    let got = frames(&format!("( {LIVE} ! {encode} ! rtph264pay name=pay0 config-interval=1 )"), Sampling::all(), 30);
    even(&got, 10.0);
}

#[test]
fn a_stream_whose_parameters_come_later_and_only_in_band_is_read_from_there_on() {
    // Without the parameter sets that the description of a stream usually has.
    let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96";
    let launch = format!(
        "( {LIVE} ! {H264} ! rtph264pay config-interval=1 pt=96 ! capssetter name=pay0 replace=true join=false caps={caps} )"
    );
    let got = frames(&launch, Sampling::default(), 8);
    even(&got, 5.0);
}

#[test]
fn a_rate_that_a_stream_claims_and_does_not_have_changes_nothing() {
    for claimed in ["1000/1", "1/1"] {
        let launch = format!(
            "( {LIVE} ! capssetter caps=video/x-raw,framerate={claimed} ! {H264} ! rtph264pay name=pay0 config-interval=1 )"
        );
        even(&frames(&launch, Sampling::default(), 12), 5.0);
    }
}

#[test]
fn a_picture_that_changes_its_size_in_mid_stream_is_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let part = |name: &str, width: u32, height: u32| {
        let source =
            format!("videotestsrc num-buffers=40 ! video/x-raw,format=I420,width={width},height={height},framerate=10/1");
        let pipeline = format!("{source} ! {H264} ! h264parse ! video/x-h264,stream-format=byte-stream ! {{}}");
        std::fs::read(make(dir.path(), name, &pipeline)).unwrap()
    };
    let both = dir.path().join("both.h264");
    std::fs::write(&both, [part("a.h264", 320, 240), part("b.h264", 640, 480)].concat()).unwrap();
    let launch = format!("( filesrc location={} ! h264parse ! rtph264pay name=pay0 config-interval=1 )", both.display());
    let got = frames(&launch, Sampling::default(), 30);
    let widths: Vec<u32> = got.iter().map(|f| f.size().width).collect();
    assert!(widths.contains(&320) && widths.ends_with(&[640, 640]), "{widths:?}");
    even(&got, 5.0);
}
