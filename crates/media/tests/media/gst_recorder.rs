//! A recorder of somebody else's: gst-rtsp-server's own example of ONVIF replay,
//! `examples/test-onvif-server.c`, where `SIGHTLINE_TEST_GST_REPLAY` names the program:
//! `cc test-onvif-server.c $(pkg-config --cflags --libs gstreamer-rtsp-server-1.0)`. It plays a file
//! again and again since 1900, with 5 s of nothing between, on port 8554, and refuses the word
//! `onvif-replay`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use media::{FrameReader, Replay, Sampling};
use types::{CaptureTime, Frame, TimeStamp};

use crate::support::{camera_at, make, start};

struct Recorder(Child);

impl Recorder {
    fn start(file: &std::path::Path) -> Option<Self> {
        let Some(program) = std::env::var_os("SIGHTLINE_TEST_GST_REPLAY") else {
            eprintln!("SKIPPED: SIGHTLINE_TEST_GST_REPLAY names no program of gst-rtsp-server's test-onvif-server.c");
            return None;
        };
        let mut process = Command::new(program).arg(file).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready at"), "the recorder did not start: {line}");
        Some(Self(process))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A moment at which the file of 10 s begins once more: 3,155,000,010 s after 1900 is a multiple of 15.
const BEGINS: &str = "1999-12-24T04:53:30Z";

fn pull(sampling: Sampling, from: u64, until: u64) -> Vec<Frame> {
    let replay = Replay {
        recorder: camera_at("rtsp://127.0.0.1:8554/test"),
        start: TimeStamp { time: BEGINS.parse::<CaptureTime>().unwrap(), ..start() },
        length: Duration::from_secs(40),
        bits_per_second: None,
    };
    let (from, until) = (Duration::from_secs(from), Duration::from_secs(until));
    let mut reader = FrameReader::open_replay(&replay, sampling, from, until).unwrap();
    let mut frames = Vec::new();
    loop {
        match reader.next(Duration::from_secs(60)) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return frames,
            Err(error) => panic!("after {} pictures: {error:?}", frames.len()),
        }
    }
}

/// Tenths of a second since the beginning.
fn tenths(frames: &[Frame]) -> Vec<u64> {
    frames.iter().map(|frame| (frame.at.as_duration().as_millis() as u64 + 50) / 100).collect()
}

#[test]
fn the_recorder_of_gst_rtsp_server_is_played_across_its_gaps_at_its_own_times() {
    let dir = tempfile::tempdir().unwrap();
    let file = make(
        dir.path(),
        "clip.mp4",
        "videotestsrc num-buffers=100 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 \
         ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=20 ! h264parse ! mp4mux ! {}",
    );
    let Some(_recorder) = Recorder::start(&file) else { return };
    let is_recorded = |tenth: &u64| tenth % 150 < 100;
    for (from, until) in [(0, 40), (3, 8), (7, 17), (20, 33)] {
        let frames = pull(Sampling::all(), from, until);
        let want: Vec<u64> = (from * 10..until * 10).filter(is_recorded).collect();
        assert_eq!(tenths(&frames), want, "{from} to {until}");
        for frame in &frames {
            let truth =
                BEGINS.parse::<CaptureTime>().unwrap().plus_micros(tenths(std::slice::from_ref(frame))[0] as i64 * 100_000);
            assert!((frame.taken.time.as_micros() - truth.as_micros()).abs() < 40_000, "{:?}", frame.taken);
        }
    }
    assert_eq!(pull(Sampling::all(), 11, 14).len(), 0, "nothing was recorded then");
    let keys = pull(Sampling { keyframes_only: true, ..Sampling::default() }, 0, 40);
    assert_eq!(tenths(&keys), (0..400).filter(is_recorded).filter(|tenth| tenth % 150 % 20 == 0).collect::<Vec<_>>());
}
