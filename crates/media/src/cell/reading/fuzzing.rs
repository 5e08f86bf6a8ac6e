//! A decoder that says anything.

use std::{cell::RefCell, io, os::fd::OwnedFd, time::Duration};

use types::{ClockUncertainty, MediaTime, ReceiveTime, TimeSource, TimeStamp};

use super::{
    super::message::{Came, LONGEST_FOOTAGE, Say, plain, receive},
    Cell, Counts, Door, FrameReader, LiveClock, Origin,
};
use crate::{FootageInfo, RtspSource};

/// One reader of a file and one of a camera, whose decoders are gone, and the decoders' ends.
struct Readers([(FrameReader, OwnedFd); 2]);

thread_local! {
    static READERS: RefCell<Option<Readers>> = const { RefCell::new(None) };
}

impl Readers {
    fn new() -> io::Result<Self> {
        let start = TimeStamp {
            time: types::CaptureTime::from_micros(1_772_323_200_000_000).map_err(io::Error::other)?,
            uncertainty: ClockUncertainty(Duration::ZERO),
            source: TimeSource::Given,
        };
        let camera = RtspSource::new("rtsp://cam.example/live").map_err(io::Error::other)?;
        let door = Door::open(&camera).map_err(io::Error::other)?;
        let clock = LiveClock::new(Duration::from_secs(5), ReceiveTime::now().as_micros());
        let reader = |origin| {
            let (cell, theirs) = Cell::nobody()?;
            Ok::<_, io::Error>((FrameReader::new(cell, "fuzzed".into(), origin), theirs))
        };
        Ok(Self([reader(Origin::File { start })?, reader(Origin::Camera { door, clock })?]))
    }
}

/// Messages, one a line, as if a decoder had said them: each comes to a frame whose pixels are all there, to nothing, or to the end.
pub(crate) fn decoder_says(bytes: &[u8]) {
    READERS.with_borrow_mut(|readers| {
        if readers.is_none() {
            *readers = Readers::new().ok();
        }
        let Some(Readers(readers)) = readers else { return };
        for (reader, theirs) in readers {
            run(reader, theirs, bytes);
        }
    });
    for line in bytes.split(|byte| *byte == b'\n') {
        match serde_json::from_slice::<Say>(line) {
            Ok(Say::Info(info)) => {
                let info = FootageInfo::from(info);
                assert!(!info.codec.chars().chain(info.container.chars()).any(char::is_control));
                assert!(info.duration.is_none_or(|duration| duration <= LONGEST_FOOTAGE));
                assert!(info.frame_rate.is_none_or(|rate| rate.is_finite() && rate > 0.0));
            }
            Ok(Say::Failed(failure, _)) => {
                let error = failure.about("input".into());
                assert!(!error.to_string().chars().any(char::is_control), "{error}");
            }
            Ok(Say::Installed { found, .. }) => {
                assert!(found.iter().flatten().all(|(_, version)| plain(version).chars().count() <= 200));
            }
            _ => {}
        }
    }
}

fn run(reader: &mut FrameReader, theirs: &OwnedFd, bytes: &[u8]) {
    (reader.ring, reader.asked, reader.untried, reader.ended) = (None, None, false, None);
    (reader.counts, reader.delivered, reader.first, reader.position) =
        (Counts::default(), 0, Duration::ZERO, MediaTime::default());
    let mut frames = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').take(20) {
        // Nobody reads what the decoder is asked.
        while matches!(receive::<serde_json::Value>(theirs, Duration::ZERO, true), Ok(Came::Message(..))) {}
        let Ok(said) = serde_json::from_slice::<Say>(line) else { return };
        if reader.asked.is_none() && !reader.ask() {
            return;
        }
        let before = reader.stats();
        match reader.take(said) {
            Ok(Some(frame)) => {
                // Every row is inside the slot.
                let last = frame.size().height as usize - 1;
                let _ = (frame.row(0, 0).first(), frame.row(0, last).last(), frame.chroma_row(0), frame.chroma_row(last));
                assert_eq!(frame.number + 1, reader.delivered);
                assert_eq!(reader.position(), frame.at);
                // As many are kept as there are slots, and more.
                frames.push(frame);
                assert!(frames.windows(2).all(|two| two[0].at < two[1].at), "time goes back");
                if frames.len() > 5 {
                    frames.remove(0);
                }
            }
            Ok(None) => {}
            Err(ended) => {
                let _ = ended.map_err(|error| error.to_string());
                return;
            }
        }
        let after = reader.stats();
        assert!(before.decoded <= after.decoded && before.decode_errors <= after.decode_errors, "counts go back");
        let _ = (reader.clock(), reader.stamp(reader.position()));
    }
}
