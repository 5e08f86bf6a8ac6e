//! Cameras: a real RTSP server, real footage in real time.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_rtsp_server::{gst_rtsp::RTSPAuthMethod, prelude::*};
use media::{Credentials, FrameReader, MediaError, RtspSource, Sampling, Transport};
use types::{CaptureTime, Frame, TimeSource};

use crate::{
    server::{Guard, Server, of_file},
    support::{camera_at, footage, mean_luma},
};

const CLIP: &str = "intel_ccby/one-by-one-person-detection.mp4";
const SECOND: Duration = Duration::from_secs(1);

fn camera(server: &Server) -> RtspSource {
    camera_at(&format!("rtsp://127.0.0.1:{}/live", server.port))
}

fn some_frames(reader: &mut FrameReader, count: usize) -> Vec<Frame> {
    (0..count).map(|_| reader.next(10 * SECOND).unwrap().expect("the stream ended")).collect()
}

#[test]
fn a_camera_is_read_over_tcp_and_udp_at_the_sampling_rate() {
    let Some(path) = footage(CLIP) else { return };
    for transport in [Transport::Tcp, Transport::Udp] {
        let server = Server::start(&of_file(&path), Guard::Open, |_| {});
        let mut reader = FrameReader::open_rtsp(&camera(&server).with_transport(transport), Sampling::default()).unwrap();
        let frames = some_frames(&mut reader, 16);
        let span = (frames[15].at.as_duration() - frames[0].at.as_duration()).as_secs_f64();
        assert!((2.5..4.5).contains(&span), "{transport:?}: 15 intervals in {span} s");
        assert!(frames.windows(2).all(|w| w[0].at < w[1].at));
        assert!(frames[0].size().width > 0);
    }
}

#[test]
fn a_password_is_needed_and_never_shown() {
    let Some(path) = footage(CLIP) else { return };
    for method in [RTSPAuthMethod::Basic, RTSPAuthMethod::Digest] {
        let server = Server::start(&of_file(&path), Guard::Password(method), |_| {});
        let with = |password: &str| {
            let credentials = Credentials { user: "operator".into(), password: password.into() };
            camera(&server).with_credentials(credentials).with_basic_without_tls(method == RTSPAuthMethod::Basic)
        };
        let mut reader = FrameReader::open_rtsp(&with("correct horse"), Sampling::default()).unwrap();
        some_frames(&mut reader, 1);
        for (wrong, has_one) in [(camera(&server), false), (with("wrong horse"), true)] {
            let mut reader = FrameReader::open_rtsp(&wrong, Sampling::default()).unwrap();
            let error = reader.next(10 * SECOND).unwrap_err();
            let told = match error {
                MediaError::Unauthorised { .. } => Some(true),
                MediaError::NoPassword { .. } => Some(false),
                _ => None,
            };
            assert_eq!(told, Some(has_one), "{method:?}: {error:?}");
            let text = format!("{error} {error:?} {reader:?} {wrong:?}");
            assert!(!text.contains("horse") && !text.contains("operator"), "{text}");
        }
    }
}

#[test]
fn a_camera_that_does_not_answer_or_has_no_such_stream_is_unreachable_within_its_timeout() {
    let Some(path) = footage(CLIP) else { return };
    let server = Server::start(&of_file(&path), Guard::Open, |_| {});
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Accepts and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [
        format!("rtsp://127.0.0.1:{}/elsewhere", server.port),
        format!("rtsp://127.0.0.1:{closed}/live"),
        format!("rtsp://127.0.0.1:{}/live", mute.local_addr().unwrap().port()),
    ] {
        let mut camera = camera_at(&address);
        camera.connect_timeout = 2 * SECOND;
        let mut reader = FrameReader::open_rtsp(&camera, Sampling::default()).unwrap();
        // It gives up by itself, long before this: a reader that only waits says that it stalled.
        let error = reader.next(60 * SECOND).unwrap_err();
        assert!(matches!(error, MediaError::Unreachable { .. }), "{address}: {error:?}");
    }
}

#[test]
fn a_server_that_stops_ends_or_stalls_the_stream_and_the_reader_can_be_dropped() {
    let Some(path) = footage(CLIP) else { return };
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut server = Server::start(&of_file(&path), Guard::Open, |_| {});
        let mut reader = FrameReader::open_rtsp(&camera(&server).with_transport(transport), Sampling::default()).unwrap();
        some_frames(&mut reader, 3);
        server.stop();
        let end = loop {
            match reader.next(2 * SECOND) {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(
            matches!(end, Ok(None) | Err(MediaError::Stalled { .. } | MediaError::Unreachable { .. })),
            "{transport:?}: {end:?}"
        );
        // This ends.
        drop(reader);
    }
}

#[test]
fn a_frozen_camera_stalls_within_the_timeout() {
    let launch = "( videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=160,height=120,framerate=10/1 ! identity name=freeze \
                  ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 )";
    let server = Server::start(launch, Guard::Open, |media| {
        // The end of the stream is kept from the payloader: packets just cease.
        let freeze = media.element().downcast::<gst::Bin>().unwrap().by_name("freeze").unwrap();
        freeze.static_pad("sink").unwrap().add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
                gst::PadProbeReturn::Drop
            } else {
                gst::PadProbeReturn::Ok
            }
        });
    });
    let mut reader = FrameReader::open_rtsp(&camera(&server), Sampling::default()).unwrap();
    let end = loop {
        let began = Instant::now();
        match reader.next(SECOND) {
            Ok(Some(_)) => {}
            end => break (end, began.elapsed()),
        }
    };
    assert!(matches!(end.0, Err(MediaError::Stalled { after, .. }) if after == SECOND), "{end:?}");
    // Not decided by how busy the machine is.
    assert!(end.1 < SECOND * 30, "{end:?}");
}

/// The server paints each frame in a grey of its own and notes when; the reader must find the same time.
#[test]
fn capture_times_from_sender_reports_are_close_to_the_truth() {
    const STEP: u8 = 10;
    let launch = "( videotestsrc is-live=true pattern=black ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
                  ! identity name=clock ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 )";
    let truth: Arc<Mutex<Vec<CaptureTime>>> = Arc::default();
    let painted = truth.clone();
    let server = Server::start(launch, Guard::Open, move |media| {
        // Cameras report when a frame was taken; this server, unless told, when it was sent.
        let pipeline = media.element().parent().unwrap().downcast::<gst::Bin>().unwrap();
        pipeline.connect_element_added(|_, element| {
            if element.find_property("rtcp-sync-send-time").is_some() {
                element.set_property("rtcp-sync-send-time", false);
            }
        });
        let clock = media.element().downcast::<gst::Bin>().unwrap().by_name("clock").unwrap();
        let painted = painted.clone();
        clock.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let mut painted = painted.lock().unwrap();
            // A live test source starts late and stays late: the frame's time is its timestamp, not when it was made.
            let running = pad.parent_element().and_then(|e| e.current_running_time()).unwrap();
            let pts = info.buffer().and_then(|b| b.pts()).unwrap();
            let taken = CaptureTime::now().plus_micros(pts.useconds() as i64 - running.useconds() as i64);
            let grey = 20 + (painted.len() % 20) as u8 * STEP;
            if let Some(buffer) = info.buffer_mut() {
                let buffer = buffer.make_mut();
                buffer.map_writable().unwrap().as_mut_slice()[..160 * 120].fill(grey);
            }
            painted.push(taken);
            gst::PadProbeReturn::Ok
        });
    });
    let mut reader = FrameReader::open_rtsp(&camera(&server), Sampling::all()).unwrap();
    let frames = some_frames(&mut reader, 60);
    let truth = truth.lock().unwrap().clone();
    let error = |frame: &Frame, taken: CaptureTime| {
        let grey = mean_luma(frame);
        let number = usize::from((grey.saturating_sub(20) + STEP / 2) / STEP);
        let candidates = truth.iter().skip(number).step_by(20);
        candidates.map(|t| taken.as_micros() - t.as_micros()).min_by_key(|e| e.abs()).unwrap()
    };
    let (reported, before): (Vec<_>, Vec<_>) = frames.iter().partition(|f| f.taken.source == TimeSource::SenderReport);
    assert!(reported.len() > 20, "{} of 60 frames carry the camera's clock", reported.len());
    assert!(reader.clock().unwrap().believed);
    let mut errors: Vec<_> = reported.iter().map(|f| error(f, f.taken.time)).collect();
    errors.sort_by_key(|e| e.abs());
    let (median, worst) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    eprintln!("capture time error: median {median} us, worst {worst} us of {}", errors.len());
    assert!(median.abs() < 2_000 && worst.abs() < 20_000, "{errors:?}");
    // Back-filled: those that came before the first report, as well as their arrival was even, which is up to the machine.
    let arrived: Vec<_> = before.iter().map(|f| f.taken.time.as_micros() - f.at.as_micros()).collect();
    let uneven = arrived.iter().max().zip(arrived.iter().min()).map_or(0, |(most, least)| most - least);
    assert!(before.iter().all(|f| error(f, reader.stamp(f.at).time).abs() < 250_000 + uneven), "arrival uneven by {uneven} us");
    // The sum of frame durations is the wall time they took.
    let span = frames[59].at.as_duration() - frames[0].at.as_duration();
    assert!((span.as_secs_f64() - 5.9).abs() < 0.3, "{span:?}");
}
