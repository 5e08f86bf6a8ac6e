//! Footage, files made by a pipeline, and reading to the end.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use media::{FrameReader, MediaError, Networks, ReaderStats, RtspSource, Sampling};
use types::{CaptureTime, ClockUncertainty, Frame, TimeSource, TimeStamp};

/// What takes so long has failed.
const PATIENCE: Duration = Duration::from_secs(600);

/// `None`, loudly, where the footage is not there.
pub(crate) fn footage(name: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let path = std::env::var_os("SIGHTLINE_FOOTAGE").map_or_else(default, PathBuf::from).join(name);
    if !path.exists() {
        eprintln!("SKIPPED: footage {name} is not there; set SIGHTLINE_FOOTAGE");
        return None;
    }
    Some(path)
}

/// The cameras of tests are on this machine.
pub(crate) fn camera_at(url: &str) -> RtspSource {
    RtspSource::new(url).unwrap().within(Networks::new(["127.0.0.0/8".parse().unwrap()]))
}

pub(crate) fn start() -> TimeStamp {
    TimeStamp {
        time: "2026-03-01T08:00:00Z".parse::<CaptureTime>().unwrap(),
        uncertainty: ClockUncertainty(Duration::from_secs(1)),
        source: TimeSource::Given,
    }
}

/// Runs a pipeline to its end; `{}` is replaced by the file it makes.
pub(crate) fn make(dir: &Path, name: &str, pipeline: &str) -> PathBuf {
    gst::init().unwrap();
    let path = dir.join(name);
    let pipeline = pipeline.replace("{}", &format!("filesink location={}", path.display()));
    let pipeline = gst::parse::launch(&pipeline).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(600), &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    let end = end.expect("the test's own pipeline did not end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    path
}

pub(crate) struct Outcome {
    pub(crate) frames: Vec<Frame>,
    pub(crate) end: Result<(), MediaError>,
    pub(crate) stats: ReaderStats,
}

impl Outcome {
    pub(crate) fn seconds(&self) -> Vec<f64> {
        self.frames.iter().map(|f| f.at.as_duration().as_secs_f64()).collect()
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        let size = self.frames.first().expect("no frame").size();
        (size.width, size.height)
    }
}

pub(crate) fn read(path: &Path, sampling: Sampling) -> Outcome {
    let mut reader = match FrameReader::open_file(path, sampling, start()) {
        Ok(reader) => reader,
        Err(error) => return Outcome { frames: vec![], end: Err(error), stats: ReaderStats::default() },
    };
    let mut frames = vec![];
    let began = Instant::now();
    let end = loop {
        match reader.next(Duration::from_secs(60)) {
            // A busy machine decides nothing.
            Err(MediaError::Stalled { .. }) if began.elapsed() < PATIENCE => {}
            // Pixels are let go: a reader of a long file may not need them all at once either.
            Ok(Some(frame)) => frames.push(light(&frame)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    Outcome { frames, end, stats: reader.stats() }
}

/// The frame with grey pixels of its own, and its true size, times and number.
fn light(frame: &Frame) -> Frame {
    // Touches every row of every plane: a wrong stride or offset would panic or be refused.
    for y in 0..frame.size().height as usize {
        assert_eq!(frame.row(0, y).len(), frame.size().width as usize);
        frame.chroma_row(y);
    }
    let mean = mean_luma(frame);
    let pixels = vec![mean; frame.size().width as usize * frame.size().height as usize];
    Frame::packed(pixels, frame.size(), types::PixelFormat::Gray8, frame.matrix(), frame.at, frame.taken, frame.number).unwrap()
}

pub(crate) fn mean_luma(frame: &Frame) -> u8 {
    let rows = (0..frame.size().height as usize).map(|y| frame.row(0, y));
    let (sum, count) = rows.flatten().fold((0u64, 0u64), |(sum, count), p| (sum + u64::from(*p), count + 1));
    (sum / count.max(1)) as u8
}
