//! What this process and a decoder say to each other. One message, one datagram; what a decoder says is read once into these
//! types, checked where it is used, and never read again.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use types::{ColourMatrix, PixelFormat, Plane, Size};

use super::sys;
use crate::{FootageInfo, MediaError, ReaderStats, Sampling, replayed::Line};

/// What a decoder is for. With it come the registry and, where it is for footage, its descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) kind: Kind,
    /// Whether it gives up its rights; not only where the operator says so.
    pub(super) confined: bool,
    /// As nice as the thread that waits for it.
    pub(super) nice: i32,
    /// What it does wrong, for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    File {
        how: How,
        from: Option<Duration>,
    },
    Camera {
        how: How,
        location: String,
        key: String,
        latency: Duration,
        timeout: Duration,
    },
    Replay {
        how: How,
        line: Line,
    },
    Probe,
    Recorded,
    Installed,
    /// Looks up what is installed, for all that follow. Reads no footage.
    Registry,
}

impl Kind {
    pub(super) fn reads_footage(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Probe | Self::Recorded)
    }

    pub(super) fn connects(&self) -> bool {
        matches!(self, Self::Camera { .. } | Self::Replay { .. })
    }
}

/// [`Sampling`], whose rate may be no number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct How {
    fps: Option<f64>,
    keyframes_only: bool,
    max_height: Option<u32>,
    decoder_threads: u32,
}

impl From<&Sampling> for How {
    fn from(s: &Sampling) -> Self {
        let fps = Some(s.fps).filter(|fps| fps.is_finite());
        Self { fps, keyframes_only: s.keyframes_only, max_height: s.max_height, decoder_threads: s.decoder_threads }
    }
}

impl From<How> for Sampling {
    fn from(h: How) -> Self {
        let How { fps, keyframes_only, max_height, decoder_threads } = h;
        Self { fps: fps.unwrap_or(f64::INFINITY), keyframes_only, max_height, decoder_threads }
    }
}

/// To a decoder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// The next picture, into this slot.
    Picture { slot: usize },
    /// As before, into this slot of a new ring, whose descriptor comes with it.
    Ring { slot: usize },
}

/// From a decoder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Say {
    /// It has given up what it does not need. A camera's comes with the descriptor of its connections.
    Confined,
    /// It can't be confined here.
    Unconfined {
        what: String,
    },
    /// The file is open.
    Opened,
    /// The next picture needs so many bytes.
    Room {
        bytes: u64,
    },
    Picture(Picture),
    /// Nothing to tell but that it lives.
    Beat(Counts),
    End(Counts),
    Failed(Failure, Counts),
    Info(Info),
    Recorded {
        micros: Option<i64>,
    },
    /// Which element of each row is there, and its version.
    Installed {
        version: (u32, u32, u32),
        found: Vec<Option<(usize, String)>>,
    },
    Registry,
}

/// What is in the slot that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Picture {
    pub(super) bytes: u64,
    width: u32,
    height: u32,
    format: Format,
    bt709: bool,
    full_range: bool,
    /// Offset and stride.
    planes: [(u64, u64); 3],
    /// Since the source began.
    pub(super) running: Duration,
    /// Of the first picture.
    pub(super) first: Duration,
    /// Of a camera: our clock and the running time, at one moment.
    pub(super) now: Option<(i64, Duration)>,
    /// Of a camera: by its own clock, in nanoseconds since 1900.
    pub(super) ntp: Option<u64>,
    pub(super) counts: Counts,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Format {
    I420,
    Nv12,
    Gray8,
}

impl Picture {
    pub(super) fn of(picture: &crate::reader::Picture, counts: Counts) -> Self {
        let crate::reader::Picture { pixels, running, first, now, ntp } = picture;
        Self {
            bytes: pixels.source.bytes().len() as u64,
            width: pixels.size.width,
            height: pixels.size.height,
            format: match pixels.format {
                PixelFormat::I420 => Format::I420,
                PixelFormat::Nv12 => Format::Nv12,
                PixelFormat::Gray8 => Format::Gray8,
            },
            bt709: pixels.matrix.bt709,
            full_range: pixels.matrix.full_range,
            planes: pixels.planes.map(|p| (p.offset as u64, p.stride as u64)),
            running: *running,
            first: *first,
            now: *now,
            ntp: *ntp,
            counts,
        }
    }

    pub(super) fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
    }

    pub(super) fn format(&self) -> PixelFormat {
        match self.format {
            Format::I420 => PixelFormat::I420,
            Format::Nv12 => PixelFormat::Nv12,
            Format::Gray8 => PixelFormat::Gray8,
        }
    }

    pub(super) fn matrix(&self) -> ColourMatrix {
        ColourMatrix { bt709: self.bt709, full_range: self.full_range }
    }

    /// `types::Frame` checks that they lie inside the slot.
    pub(super) fn planes(&self) -> [Plane; 3] {
        let whole = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        self.planes.map(|(offset, stride)| Plane { offset: whole(offset), stride: whole(stride) })
    }

    /// For tests of what a decoder may claim.
    #[cfg(debug_assertions)]
    pub(super) fn lie(&mut self, how: &str) {
        match how {
            "stride" => self.planes[0].1 = 1 << 31,
            "offset" => self.planes[1].0 = u64::MAX,
            "size" => (self.width, self.height) = (u32::MAX, 0),
            "bytes" => self.bytes = u64::MAX,
            "time" => (self.running, self.first) = (Duration::MAX, Duration::MAX),
            _ => {}
        }
    }
}

/// [`ReaderStats`] as far as a decoder counts it, and how far it has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    decoded: u64,
    sampled: u64,
    not_key: u64,
    late: u64,
    corrupt: u64,
    errors: u64,
    reached: Duration,
    /// How much was read.
    read: u64,
}

impl Counts {
    pub(super) fn of(s: ReaderStats, reached: Duration, read: u64) -> Self {
        Self {
            decoded: s.decoded,
            sampled: s.sampled,
            not_key: s.dropped_not_key,
            late: s.dropped_late,
            corrupt: s.corrupt,
            errors: s.decode_errors,
            reached,
            read,
        }
    }

    /// Never less than before, whatever it says: others take differences.
    pub(super) fn at_least(self, before: Self) -> Self {
        Self {
            decoded: self.decoded.max(before.decoded),
            sampled: self.sampled.max(before.sampled),
            not_key: self.not_key.max(before.not_key),
            late: self.late.max(before.late),
            corrupt: self.corrupt.max(before.corrupt),
            errors: self.errors.max(before.errors),
            reached: self.reached.max(before.reached),
            read: self.read.max(before.read),
        }
    }

    pub(super) fn stats(self, delivered: u64) -> ReaderStats {
        ReaderStats {
            decoded: self.decoded,
            sampled: self.sampled,
            delivered,
            dropped_by_rate: self.decoded.saturating_sub(self.sampled),
            dropped_not_key: self.not_key,
            dropped_late: self.late,
            corrupt: self.corrupt,
            decode_errors: self.errors,
        }
    }

    pub(super) fn reached(self) -> Duration {
        self.reached
    }
}

/// Longer than any recording in one file. A container that says more is not believed: how many parts footage is cut into goes by it.
pub(super) const LONGEST_FOOTAGE: Duration = Duration::from_secs(31 * 86_400);

/// [`FootageInfo`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Info {
    duration: Option<Duration>,
    width: u32,
    height: u32,
    frame_rate: Option<f64>,
    seekable: bool,
    codec: String,
    container: String,
}

impl From<FootageInfo> for Info {
    fn from(i: FootageInfo) -> Self {
        let FootageInfo { duration, size, frame_rate, seekable, codec, container } = i;
        Self { duration, width: size.width, height: size.height, frame_rate, seekable, codec, container }
    }
}

impl From<Info> for FootageInfo {
    fn from(i: Info) -> Self {
        let Info { duration, width, height, frame_rate, seekable, codec, container } = i;
        Self {
            duration: duration.filter(|duration| *duration <= LONGEST_FOOTAGE),
            size: Size { width, height },
            frame_rate: frame_rate.filter(|rate| rate.is_finite() && *rate > 0.0),
            seekable,
            codec: plain(&codec),
            container: plain(&container),
        }
    }
}

/// The errors that a decoder can have; what they are about it does not know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    Unreadable(String),
    Empty,
    NotMedia(String),
    NoVideo,
    Truncated { at: Duration, of: Option<Duration>, what: String },
    Damaged { at: Duration, what: String },
    Unsupported(String),
    Stalled(Duration),
    Unauthorised,
    Unreachable(String),
    Internal(String),
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        use MediaError as E;
        match error {
            E::Unreadable { what, .. } => Self::Unreadable(what),
            E::Empty { .. } => Self::Empty,
            E::NotMedia { what, .. } => Self::NotMedia(what),
            E::NoVideo { .. } => Self::NoVideo,
            E::Truncated { at, of, what, .. } => Self::Truncated { at, of, what },
            E::Damaged { at, what, .. } => Self::Damaged { at, what },
            E::Unsupported { what, .. } => Self::Unsupported(what),
            E::Stalled { after, .. } => Self::Stalled(after),
            E::Unauthorised { .. } => Self::Unauthorised,
            E::Unreachable { what, .. } => Self::Unreachable(what),
            E::Internal { what, .. } => Self::Internal(what),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl Failure {
    pub(super) fn about(self, input: String) -> MediaError {
        use MediaError as E;
        match self {
            Self::Unreadable(what) => E::Unreadable { input, what: plain(&what) },
            Self::Empty => E::Empty { input },
            Self::NotMedia(what) => E::NotMedia { input, what: plain(&what) },
            Self::NoVideo => E::NoVideo { input },
            Self::Truncated { at, of, what } => E::Truncated { input, at, of, what: plain(&what) },
            Self::Damaged { at, what } => E::Damaged { input, at, what: plain(&what) },
            Self::Unsupported(what) => E::Unsupported { input, what: plain(&what) },
            Self::Stalled(after) => E::Stalled { input, after },
            Self::Unauthorised => E::Unauthorised { input },
            Self::Unreachable(what) => E::Unreachable { input, what: plain(&what) },
            Self::Internal(what) => E::Internal { input, what: plain(&what) },
        }
    }
}

/// Text of a decoder, for people: one line, and not long.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Sends a message; waits for room unless `now`.
pub(super) fn send(socket: BorrowedFd<'_>, message: &impl Serialize, with: &[BorrowedFd<'_>], now: bool) -> io::Result<()> {
    sys::send(socket, &serde_json::to_vec(message)?, with, now)
}

/// What came.
#[derive(Debug)]
pub(super) enum Came<T> {
    Message(T, Vec<OwnedFd>),
    /// Not within the time.
    Nothing,
    /// The other end is closed.
    Closed,
}

/// The next message, within so long. Anything that is no message is an error. Descriptors are taken only where they are expected.
pub(super) fn receive<T: DeserializeOwned>(socket: &impl AsFd, within: Duration, descriptors: bool) -> io::Result<Came<T>> {
    let socket = socket.as_fd();
    if !sys::readable(socket, within)? {
        return Ok(Came::Nothing);
    }
    let mut bytes = [0; sys::LONGEST];
    let mut with = Vec::new();
    match sys::receive(socket, &mut bytes, descriptors.then_some(&mut with)) {
        Ok(0) => Ok(Came::Closed),
        Ok(length) => Ok(Came::Message(serde_json::from_slice(&bytes[..length])?, with)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(Came::Nothing),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Came::Closed),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(numbers: [u64; 7], reached: u64) -> Counts {
        let [decoded, sampled, not_key, late, corrupt, errors, read] = numbers;
        Counts { decoded, sampled, not_key, late, corrupt, errors, reached: Duration::from_nanos(reached), read }
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_decoder_are_more_than_refused(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            let (ours, theirs) = sys::pair().unwrap();
            sys::send(theirs.as_fd(), &bytes, &[], true).unwrap();
            let _ = receive::<Say>(&ours, Duration::ZERO, false);
        }

        #[test]
        fn what_a_decoder_counts_never_goes_back(a: [u64; 7], b: [u64; 7], ra: u64, rb: u64, delivered: u64) {
            let (before, after) = (counts(a, ra), counts(b, rb).at_least(counts(a, ra)));
            let (x, y) = (before.stats(delivered), after.stats(delivered));
            prop_assert!(x.decoded <= y.decoded && x.dropped_late <= y.dropped_late && x.sampled <= y.sampled);
            prop_assert!(before.reached() <= after.reached());
        }
    }

    #[test]
    fn a_length_that_no_recording_has_counts_as_unknown() {
        let said = |secs: u64| {
            let info = Info {
                duration: Some(Duration::from_secs(secs)),
                width: 32,
                height: 32,
                frame_rate: None,
                seekable: true,
                codec: String::new(),
                container: String::new(),
            };
            FootageInfo::from(info).duration
        };
        assert_eq!(said(86_400), Some(Duration::from_secs(86_400)));
        assert_eq!((said(500 * 366 * 86_400), said(u64::MAX)), (None, None));
    }

    #[test]
    fn descriptors_come_only_where_they_are_expected() {
        let (ours, theirs) = sys::pair().unwrap();
        let file = sys::memory("a").unwrap();
        for expected in [true, false] {
            send(theirs.as_fd(), &Say::Confined, &[file.as_fd()], true).unwrap();
            let Came::Message(Say::Confined, with) = receive(&ours, Duration::ZERO, expected).unwrap() else { panic!() };
            assert_eq!(with.len(), usize::from(expected));
        }
        drop(theirs);
        assert!(matches!(receive::<Say>(&ours, Duration::ZERO, true), Ok(Came::Closed)));
    }

    #[test]
    fn a_message_longer_than_any_is_refused_and_text_is_one_line() {
        let (ours, theirs) = sys::pair().unwrap();
        assert!(sys::send(theirs.as_fd(), &vec![b' '; sys::LONGEST + 1], &[], true).is_err());
        sys::send(theirs.as_fd(), b"{\"Info\":{}}", &[], true).unwrap();
        assert!(receive::<Say>(&ours, Duration::ZERO, false).is_err());
        assert_eq!(plain(&format!("a\n\x1b[31m{}", "b".repeat(1000))).len(), 200);
    }
}
