//! Cameras as they are: other codecs, frames out of order, parameters that come late, rates that are not true, changes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp_server::prelude::*;
use media::{FrameReader, MediaError, Sampling};
use types::Frame;

use crate::{
    server::{Guard, Server},
    support::{camera_at, make},
};

const LIVE: &str = "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=10/1";
const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10";
const PATIENT: Duration = Duration::from_secs(20);

fn frames(launch: &str, sampling: Sampling, count: usize) -> Vec<Frame> {
    let server = Server::start(launch, Guard::Open, |_| {});
    some_frames(&mut open(&server, sampling), count)
}

fn open(server: &Server, sampling: Sampling) -> FrameReader {
    let camera = camera_at(&format!("rtsp://127.0.0.1:{}/live", server.port));
    FrameReader::open_rtsp(&camera, sampling).unwrap()
}

fn some_frames(reader: &mut FrameReader, count: usize) -> Vec<Frame> {
    (0..count).map(|_| reader.next(PATIENT).unwrap().expect("the stream ended")).collect()
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
    let launch = format!("( {LIVE} ! {encode} ! rtph264pay name=pay0 config-interval=1 )");
    for (sampling, fps) in [(Sampling::all(), 10.0), (Sampling::default(), 5.0)] {
        let got = frames(&launch, sampling, 40);
        even(&got, fps);
        // As far apart as they were taken, once a group of pictures has come. A machine that is busy sends one of them late; pictures
        // in the wrong order would make every other gap another.
        let at: Vec<_> = got.iter().map(|f| f.at.as_duration().as_secs_f64()).skip(15).collect();
        let gaps: Vec<_> = at.windows(2).map(|w| w[1] - w[0]).collect();
        let uneven = gaps.iter().filter(|gap| (*gap * fps - 1.0).abs() >= 0.3).count();
        assert!(uneven * 5 <= gaps.len(), "{gaps:?}");
    }
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

#[test]
fn who_comes_between_two_keyframes_without_the_parameters_is_shown_nothing_that_lacks_them() {
    let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96";
    let seldom = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30";
    let launch =
        format!("( {LIVE} ! {seldom} ! rtph264pay config-interval=-1 pt=96 ! capssetter name=pay0 replace=true caps={caps} )");
    let server = Server::shared(&launch, |_| {});
    let mut first = open(&server, Sampling::all());
    some_frames(&mut first, 25);
    let mut second = open(&server, Sampling::all());
    let got = some_frames(&mut second, 20);
    assert!(got.windows(2).all(|w| w[0].at < w[1].at));
    assert_eq!((second.stats().corrupt, second.stats().decode_errors), (0, 0), "{:?}", second.stats());
}

/// A camera that is told, while it is watched, to encode in another way.
#[test]
fn a_codec_that_changes_in_mid_session_is_a_silence_and_the_next_session_is_read() {
    let launch = format!(
        "( {LIVE} ! tee name=split  input-selector name=pay0 sync-streams=false \
         split. ! queue ! {H264} ! rtph264pay pt=96 ssrc=1 config-interval=-1 ! pay0.sink_0 \
         split. ! queue ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay pt=96 ssrc=1 config-interval=-1 ! pay0.sink_1 )"
    );
    let (codec, session): (Arc<AtomicU32>, Arc<Mutex<Option<gst::Element>>>) = Default::default();
    let (of_next, of_session) = (codec.clone(), session.clone());
    let server = Server::start(&launch, Guard::Open, move |media| {
        let selector = media.element().downcast::<gst::Bin>().unwrap().by_name("pay0").unwrap();
        select(&selector, of_next.load(Ordering::Relaxed));
        *of_session.lock().unwrap() = Some(selector);
    });
    let mut reader = open(&server, Sampling::all());
    some_frames(&mut reader, 10);
    codec.store(1, Ordering::Relaxed);
    select(session.lock().unwrap().as_ref().unwrap(), 1);
    let began = Instant::now();
    let end = loop {
        match reader.next(Duration::from_secs(3)) {
            Ok(Some(_)) => assert!(began.elapsed() < PATIENT, "pictures of a codec that nobody announced"),
            end => break end,
        }
    };
    // Nothing that may not be tried again.
    assert!(
        matches!(
            end,
            Ok(None) | Err(MediaError::Stalled { .. } | MediaError::Unreachable { .. } | MediaError::Unsupported { .. })
        ),
        "{end:?}"
    );
    drop(reader);
    let got = some_frames(&mut open(&server, Sampling::all()), 5);
    assert_eq!(got[0].size().width, 320);
}

fn select(selector: &gst::Element, number: u32) {
    let pad = selector.static_pad(&format!("sink_{number}")).unwrap();
    selector.set_property("active-pad", &pad);
}
