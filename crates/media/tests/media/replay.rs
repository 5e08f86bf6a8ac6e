//! What a recorder holds, pulled by ONVIF replay from a recorder in a process of its own (`examples/recorder.rs`).

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use media::{FrameReader, MediaError, Replay, Sampling, decoders_fail};
use types::{Frame, TimeStamp};

use crate::support::{camera_at, make, read, start};

/// Killed when dropped.
struct Recorder {
    process: Child,
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn start(file: &Path, port: u16, how: &str) -> Self {
        // Examples are built with the tests, beside their folder.
        let tests = std::env::current_exe().unwrap();
        let program: PathBuf = tests.ancestors().nth(2).unwrap().join("examples/recorder");
        assert!(program.exists(), "{} is not there: cargo build --workspace --examples", program.display());
        let mut process = Command::new(program)
            .args([file.to_str().unwrap(), &start().time.to_string(), &port.to_string(), how])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = said.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line)));
        Self { process, port, said }
    }

    fn replay(&self) -> Replay {
        replay_at(self.port)
    }

    /// Every request so far.
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn plays(&self) -> usize {
        self.said().iter().filter(|line| line.starts_with("PLAY")).count()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn replay_at(port: u16) -> Replay {
    Replay {
        recorder: camera_at(&format!("rtsp://operator:correct%20horse@127.0.0.1:{port}/replay")),
        start: start(),
        length: Duration::from_secs(60),
        bits_per_second: None,
    }
}

/// 30 s at 10 pictures a second, whose second part lies 7 s later and whose third 20 s more; with pictures that are sent before
/// those that they follow.
fn with_gaps(dir: &Path) -> PathBuf {
    use gstreamer::prelude::*;
    gstreamer::init().unwrap();
    let path = dir.join("gaps.mkv");
    let pipeline = format!(
        "videotestsrc num-buffers=300 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 \
         ! identity name=shift ! x264enc speed-preset=veryfast bframes=2 key-int-max=20 ! h264parse ! matroskamux ! filesink location={}",
        path.display()
    );
    let pipeline = gstreamer::parse::launch(&pipeline).unwrap().downcast::<gstreamer::Bin>().unwrap();
    let pad = pipeline.by_name("shift").unwrap().static_pad("src").unwrap();
    pad.add_probe(gstreamer::PadProbeType::BUFFER, |_, info| {
        let buffer = info.buffer_mut().unwrap().make_mut();
        let at = buffer.pts().unwrap();
        let later = [0, 7, 27][usize::try_from(at.seconds() / 10).unwrap().min(2)];
        buffer.set_pts(at + gstreamer::ClockTime::from_seconds(later));
        gstreamer::PadProbeReturn::Ok
    });
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let ends = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = bus.timed_pop_filtered(gstreamer::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert_eq!(end.expect("the test's own pipeline did not end").type_(), gstreamer::MessageType::Eos);
    path
}

fn all(reader: &mut FrameReader) -> (Vec<Frame>, Result<(), MediaError>) {
    let mut frames = Vec::new();
    loop {
        match reader.next(Duration::from_secs(60)) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, Ok(())),
            Err(error) => return (frames, Err(error)),
        }
    }
}

fn pull(replay: &Replay, sampling: Sampling, from: u64, until: u64) -> (Vec<Frame>, Result<(), MediaError>) {
    all(&mut FrameReader::open_replay(replay, sampling, Duration::from_secs(from), Duration::from_secs(until)).unwrap())
}

fn millis(frames: &[Frame]) -> Vec<u128> {
    frames.iter().map(|frame| frame.at.as_duration().as_micros().div_ceil(1000) / 10 * 10).collect()
}

#[test]
fn a_recording_gives_the_pictures_of_its_file_at_the_recorders_own_times_across_its_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_gaps(dir.path());
    let recorder = Recorder::start(&file, 0, "");
    let of_file = read(&file, Sampling::default());
    of_file.end.clone().unwrap();
    let (frames, end) = pull(&recorder.replay(), Sampling::default(), 0, 60);
    end.unwrap();
    assert_eq!(millis(&frames), millis(&of_file.frames));
    assert_eq!(frames.len(), 150);
    let took: Vec<TimeStamp> = frames.iter().map(|frame| frame.taken).collect();
    let truth = |frame: &Frame| start().time.plus_micros(frame.at.as_micros());
    for (frame, taken) in of_file.frames.iter().zip(&took) {
        assert!((truth(frame).as_micros() - taken.time.as_micros()).abs() < 40_000, "{taken:?}");
        assert_eq!((taken.uncertainty, taken.source), (start().uncertainty, start().source));
    }
    // The same pixels, and not the picture before or after.
    for (ours, theirs) in frames.iter().zip(&of_file.frames) {
        assert!(crate::support::mean_luma(ours).abs_diff(crate::support::mean_luma(theirs)) <= 1);
    }
    let said = recorder.said();
    let plays: Vec<_> = said.iter().filter(|line| line.starts_with("PLAY")).collect();
    let last = plays.last().unwrap();
    for want in ["Range=clock=20260301T080000Z-20260301T080100Z", "Rate-Control=no", "Require=onvif-replay"] {
        assert!(last.contains(want), "{said:?}");
    }
    assert!(!last.contains("Frames="), "key pictures alone are asked for only where somebody wants that: {last}");
    assert!(said.iter().any(|line| line.starts_with("SETUP") && line.contains("Require=onvif-replay")), "{said:?}");
}

#[test]
fn a_window_begins_and_ends_where_it_was_asked_to_and_one_within_a_gap_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_gaps(dir.path());
    let recorder = Recorder::start(&file, 0, "");
    let of_file = millis(&read(&file, Sampling::default()).frames);
    for (from, until) in [(3, 12), (8, 20), (11, 16), (20, 47), (40, 60), (55, 60), (30, 40)] {
        let (frames, end) = pull(&recorder.replay(), Sampling::default(), from, until);
        assert_eq!(end, Ok(()), "{from} to {until}");
        let want: Vec<_> =
            of_file.iter().copied().filter(|at| (from as u128 * 1000..until as u128 * 1000).contains(at)).collect();
        assert_eq!(millis(&frames), want, "{from} to {until}");
    }
    let keys = Sampling { keyframes_only: true, ..Sampling::default() };
    let (frames, end) = pull(&recorder.replay(), keys, 0, 60);
    assert_eq!((end, frames.len()), (Ok(()), 15));
    assert!(recorder.said().iter().any(|line| line.contains("Frames=intra")));
    // Every session was ended by us; two were within a gap, and never began.
    let until = Instant::now() + Duration::from_secs(600);
    let ended = || recorder.said().iter().filter(|line| line.starts_with("TEARDOWN")).count();
    while ended() < recorder.plays() - 2 {
        assert!(Instant::now() < until, "{:?}", recorder.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_recorder_that_stops_again_and_again_is_asked_for_the_rest_and_no_picture_is_lost_or_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_gaps(dir.path());
    let of_file = millis(&read(&file, Sampling::default()).frames);
    let recorder = Recorder::start(&file, 0, "cut=60");
    let (frames, end) = pull(&recorder.replay(), Sampling::default(), 0, 60);
    assert_eq!((millis(&frames), end), (of_file.clone(), Ok(())));
    assert!(recorder.plays() > 3, "{:?}", recorder.said());
    // Killed in the middle, and started again.
    let mut recorder = Recorder::start(&file, 0, "slow=100");
    let mut slow = recorder.replay();
    slow.bits_per_second = Some(20_000_000);
    let mut reader = FrameReader::open_replay(&slow, Sampling::default(), Duration::ZERO, Duration::from_secs(60)).unwrap();
    let mut frames: Vec<Frame> = (0..20).map(|_| reader.next(Duration::from_secs(60)).unwrap().unwrap()).collect();
    recorder.process.kill().unwrap();
    recorder.process.wait().unwrap();
    let again = Recorder::start(&file, recorder.port, "");
    let (rest, end) = all(&mut reader);
    frames.extend(rest);
    assert_eq!((millis(&frames), end), (of_file, Ok(())));
    assert!(again.plays() > 0);
}

#[test]
fn what_is_wrong_with_a_recorder_is_told_and_what_is_only_its_way_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_gaps(dir.path());
    let of_file = millis(&read(&file, Sampling::default()).frames);
    let silent = Recorder::start(&file, 0, "silent");
    let (frames, end) = pull(&silent.replay(), Sampling::default(), 0, 40);
    let want: Vec<_> = of_file.iter().copied().filter(|at| *at < 40_000).collect();
    // It does not say that its footage ends in a gap; that it stops at the same picture twice says so.
    assert_eq!((millis(&frames), end), (want, Ok(())));
    assert_eq!(silent.plays(), 2);
    for (how, want) in [("untimed", "0xABAC"), ("unknown", "551")] {
        let recorder = Recorder::start(&file, 0, how);
        let (frames, end) = pull(&recorder.replay(), Sampling::default(), 0, 60);
        assert!(frames.is_empty(), "{how}");
        let error = end.unwrap_err();
        assert!(error.to_string().contains(want) && error.is_permanent(), "{how}: {error}");
        assert!(!error.to_string().contains("horse"), "{error}");
    }
    let plain = Recorder::start(&file, 0, "plain");
    let (frames, end) = pull(&plain.replay(), Sampling::default(), 0, 60);
    assert_eq!((millis(&frames), end), (of_file.clone(), Ok(())));
    let early = Recorder::start(&file, 0, "early=15");
    let (frames, end) = pull(&early.replay(), Sampling::default(), 40, 60);
    let want: Vec<_> = of_file.iter().copied().filter(|at| *at >= 40_000).collect();
    assert_eq!((millis(&frames), end), (want, Ok(())));
}

#[test]
fn a_recorders_decoder_that_crashes_is_told_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let file = make(
        dir.path(),
        "a.mkv",
        "videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 \
         ! x264enc speed-preset=ultrafast key-int-max=10 ! h264parse ! matroskamux ! {}",
    );
    let recorder = Recorder::start(&file, 0, "");
    decoders_fail(&format!("recorder at 127.0.0.1:{}", recorder.port), "segv");
    let (_, end) = pull(&recorder.replay(), Sampling::default(), 0, 60);
    assert!(matches!(&end, Err(MediaError::Died { input, .. }) if input.starts_with("recorder at")), "{end:?}");
    decoders_fail(&format!("recorder at 127.0.0.1:{}", recorder.port), "");
    assert_eq!(pull(&recorder.replay(), Sampling::default(), 0, 60).0.len(), 50);
}
