//! Frames, one after another, from a decoder's process.

use std::{
    fmt,
    os::fd::AsFd,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use types::{Frame, MediaTime, PixelSource, ReceiveTime, TimeStamp};

use super::{
    message::{Ask, Counts, Kind, Picture, Say},
    process::{Cell, Heard},
    ring::{Ring, Slot},
    start,
};
use crate::{
    CameraClock, Death, Footage, MediaError, ReaderStats, Replay, RtspSource, Sampling, Source,
    clock::LiveClock,
    door::{Door, replay::ReplayDoor},
    replayed::Line,
};

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

/// Reads one file or camera. Owns its decoder: dropping it ends that process; frames already returned stay valid.
pub struct FrameReader {
    cell: Cell,
    ring: Option<Arc<Ring>>,
    /// The slot that the next picture was asked into.
    asked: Option<usize>,
    /// A ring was made and no picture has come in it: a decoder that wants another is not asked twice.
    untried: bool,
    /// The file, or the camera by host and port.
    input: String,
    origin: Origin,
    counts: Counts,
    delivered: u64,
    /// Of the first picture, since the source began.
    first: Duration,
    position: MediaTime,
    watch: Watch,
    /// How it ended; every later call says the same.
    ended: Option<Result<(), MediaError>>,
}

enum Origin {
    File {
        start: TimeStamp,
    },
    Camera {
        /// GStreamer's way to the camera. It outlives the decoder.
        door: Door,
        clock: LiveClock,
    },
    Replay(Box<Played>),
}

/// What a recorder is asked for, as long as it has not come.
struct Played {
    replay: Replay,
    sampling: Sampling,
    from: Duration,
    until: Duration,
    door: ReplayDoor,
    /// How often it was asked since a picture came.
    tries: u32,
}

/// When something was last heard, and when something was last done.
struct Watch {
    word: Instant,
    progress: Instant,
}

impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameReader({} at {:?})", self.input, self.position.as_duration())
    }
}

/// How often a quiet decoder is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long the first picture of a file, or the first after a jump in it, may take.
const OPENING: Duration = Duration::from_secs(90);
/// A decoder that says nothing for so long hangs; it says every second that it lives.
const SILENT_CAMERA: Duration = Duration::from_secs(10);
const SILENT_FILE: Duration = Duration::from_secs(30);
/// A file's decoder that reads, decodes and skips nothing for so long hangs.
const IDLE_FILE: Duration = Duration::from_secs(30);
/// How long a camera's decoder may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Messages without a picture that are taken in one call.
const MOST_MESSAGES: u32 = 1000;
/// A recorder that stops before it has played a picture is asked so often again, after pauses that grow by this.
const MOST_TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);
/// Longer than any stream. Beyond it times don't add up any more.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

impl FrameReader {
    /// Starts reading a file. `start` is the capture time of its first frame.
    pub fn open_file(path: &Path, sampling: Sampling, start: TimeStamp) -> Result<Self, MediaError> {
        Self::open_footage(&Footage::open(path)?, sampling, start)
    }

    /// As [`Self::open_file`], of a file that was opened.
    #[expect(clippy::needless_pass_by_value, reason = "as the others take it")]
    pub fn open_footage(footage: &Footage, sampling: Sampling, start: TimeStamp) -> Result<Self, MediaError> {
        Self::of_footage(footage, &sampling, start, None)
    }

    /// As [`Self::open_file`], but the first frame returned is the first at or after `from`. Times are the same as if the file
    /// were read from its beginning; so are the frames but for the first, which the sampling rate may choose otherwise.
    /// For files of which [`crate::FootageInfo::seekable`] says so.
    pub fn open_file_from(path: &Path, sampling: Sampling, start: TimeStamp, from: Duration) -> Result<Self, MediaError> {
        Self::open_footage_from(&Footage::open(path)?, sampling, start, from)
    }

    /// As [`Self::open_file_from`], of a file that was opened.
    #[expect(clippy::needless_pass_by_value, reason = "as the others take it")]
    pub fn open_footage_from(
        footage: &Footage,
        sampling: Sampling,
        start: TimeStamp,
        from: Duration,
    ) -> Result<Self, MediaError> {
        Self::of_footage(footage, &sampling, start, Some(from))
    }

    fn of_footage(footage: &Footage, sampling: &Sampling, start: TimeStamp, from: Option<Duration>) -> Result<Self, MediaError> {
        let input = footage.input();
        let (mut cell, _) = start::start(&input, Kind::File { how: sampling.into(), from }, Some(footage))?;
        match cell.hear(OPENING) {
            Heard::Said(Say::Opened) => Ok(Self::new(cell, input, Origin::File { start })),
            Heard::Said(Say::Failed(failure, _)) => Err(failure.about(input)),
            Heard::Said(_) => Err(cell.died(&input, Duration::ZERO, Some(Death::Lied))),
            Heard::Nothing => Err(cell.died(&input, Duration::ZERO, Some(Death::Hung))),
            Heard::Gone(how) => Err(cell.died(&input, Duration::ZERO, Some(how))),
        }
    }

    /// Starts connecting to a camera; the first [`Self::next`] tells whether it answers. Reconnecting is the caller's.
    #[expect(clippy::needless_pass_by_value, reason = "as the others take it")]
    pub fn open_rtsp(camera: &RtspSource, sampling: Sampling) -> Result<Self, MediaError> {
        let door = Door::open(camera)?;
        let kind = Kind::Camera {
            how: (&sampling).into(),
            location: door.location().to_owned(),
            key: door.key().to_owned(),
            latency: camera.latency,
            timeout: camera.connect_timeout,
        };
        let input = camera.to_string();
        let (cell, connections) = start::start(&input, kind, None)?;
        if let Some(connections) = connections {
            door.connect_for(connections)?;
        }
        let clock = LiveClock::new(camera.max_clock_offset, ReceiveTime::now().as_micros());
        Ok(Self::new(cell, input, Origin::Camera { door, clock }))
    }

    /// Starts reading what a recorder holds of `from` to `until`, by media time; the first [`Self::next`] tells whether it answers.
    /// Where it stops in the middle it is asked again for the rest. The frames are those of the recording in which media time is
    /// its own: where it has nothing, time passes all the same.
    pub fn open_replay(replay: &Replay, sampling: Sampling, from: Duration, until: Duration) -> Result<Self, MediaError> {
        let (cell, door) = Self::play(replay, &sampling, (from, None, until), None)?;
        let played = Played { replay: replay.clone(), sampling, from, until, door, tries: 0 };
        Ok(Self::new(cell, replay.to_string(), Origin::Replay(Box::new(played))))
    }

    /// From the first, of which what is not after the second is known, until the third. `stopped`: where it stopped before.
    fn play(
        replay: &Replay,
        sampling: &Sampling,
        (from, after, until): (Duration, Option<Duration>, Duration),
        stopped: Option<i64>,
    ) -> Result<(Cell, ReplayDoor), MediaError> {
        let mut asked = replay.asked(after.unwrap_or(from), until, sampling.keyframes_only);
        asked.stopped = stopped;
        let door = ReplayDoor::open(&asked)?;
        let (at, key) = door.way();
        let line = Line { door: at, key, from, after, until: asked.until };
        let (cell, connections) = start::start(&replay.to_string(), Kind::Replay { how: sampling.into(), line }, None)?;
        if let Some(connections) = connections {
            door.connect_for(connections)?;
        }
        Ok((cell, door))
    }

    /// Starts reading either; `start` is used for a file.
    pub fn open(source: &Source, sampling: Sampling, start: TimeStamp) -> Result<Self, MediaError> {
        match source {
            Source::File(path) => Self::open_file(path, sampling, start),
            Source::Rtsp(camera) => Self::open_rtsp(camera, sampling),
        }
    }

    fn new(cell: Cell, input: String, origin: Origin) -> Self {
        Self {
            cell,
            ring: None,
            asked: None,
            untried: false,
            input,
            origin,
            counts: Counts::default(),
            delivered: 0,
            first: Duration::ZERO,
            position: MediaTime::default(),
            watch: Watch { word: Instant::now(), progress: Instant::now() },
            ended: None,
        }
    }

    /// The next sampled frame. Blocks up to `timeout`; nothing by then is [`MediaError::Stalled`], after which reading may
    /// go on. `Ok(None)` is the clean end. Every other error is final: later calls repeat it.
    // Not an iterator: the timeout is the caller's, per call.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Frame>, MediaError> {
        let deadline = Instant::now() + timeout;
        loop {
            let next = self.next_of_this(deadline.saturating_duration_since(Instant::now()));
            match next {
                Err(error) if self.ended.is_some() && self.asks_again(&error, deadline) => {}
                Err(MediaError::Stalled { input, .. }) => return Err(MediaError::Stalled { input, after: timeout }),
                next => return next,
            }
        }
    }

    /// Whether a recorder that stopped is asked for what it has not played.
    fn asks_again(&mut self, error: &MediaError, deadline: Instant) -> bool {
        let after = (self.delivered > 0).then(|| self.position.as_duration());
        let Origin::Replay(played) = &mut self.origin else { return false };
        if !matches!(error, MediaError::Unreachable { .. }) || played.tries >= MOST_TRIES {
            return false;
        }
        // It may be starting anew.
        let pause = PAUSE * played.tries;
        if Instant::now() + pause >= deadline {
            return false;
        }
        played.tries += 1;
        std::thread::sleep(pause);
        tracing::info!(input = %self.input, %error, "the recorder is asked for the rest");
        let span = (played.from, after, played.until);
        let stopped = played.door.latest();
        let Ok((cell, door)) = Self::play(&played.replay, &played.sampling, span, stopped) else { return false };
        // The old ring lives as long as its frames.
        (self.cell, played.door, self.ring, self.asked, self.untried, self.ended) = (cell, door, None, None, false, None);
        self.watch = Watch { word: Instant::now(), progress: Instant::now() };
        true
    }

    fn next_of_this(&mut self, timeout: Duration) -> Result<Option<Frame>, MediaError> {
        if let Some(ended) = &self.ended {
            return ended.clone().map(|()| None);
        }
        let deadline = Instant::now() + timeout;
        // Who was not asked had nothing to do.
        if self.asked.is_none() {
            self.watch.progress = Instant::now();
        }
        let mut messages = 0;
        let ended = loop {
            if self.asked.is_none() && !self.ask() {
                break Err(self.died(None));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.cell.hear(left.min(TICK)) {
                Heard::Said(said) => {
                    self.watch.word = Instant::now();
                    messages += 1;
                    match self.take(said) {
                        Ok(Some(frame)) => return Ok(Some(frame)),
                        Ok(None) if messages < MOST_MESSAGES => {}
                        Ok(None) => break Err(self.died(Some(Death::Lied))),
                        Err(ended) => break ended,
                    }
                }
                Heard::Gone(how) => break Err(self.died(Some(how))),
                Heard::Nothing => {
                    // What a recorder played before it stopped is still being decoded.
                    if !matches!(self.origin, Origin::Replay(_))
                        && let Some(fault) = self.door_fault()
                    {
                        break Err(fault);
                    }
                    if self.hangs() {
                        break Err(self.died(Some(Death::Hung)));
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(MediaError::Stalled { input: self.input.clone(), after: timeout });
            }
        };
        self.ended = Some(ended.clone());
        ended.map(|()| None)
    }

    /// For the next picture, into a slot that is free. False where nobody listens any more.
    fn ask(&mut self) -> bool {
        // The first ring is made once its size is known.
        let slot = match &self.ring {
            None => Some(0),
            Some(ring) => ring.take(),
        };
        // There always is one: see `frame`.
        let Some(slot) = slot else { return false };
        self.asked = Some(slot);
        self.cell.ask(&Ask::Picture { slot }, &[]).is_ok()
    }

    /// What a message comes to: a frame, nothing, or the end.
    fn take(&mut self, said: Say) -> Result<Option<Frame>, Result<(), MediaError>> {
        match said {
            Say::Beat(counts) => {
                self.count(counts);
                Ok(None)
            }
            Say::Room { bytes } if self.asked.is_some() && !self.untried => match self.room(bytes) {
                Ok(()) => Ok(None),
                Err(how) => Err(Err(self.died(how))),
            },
            Say::Picture(picture) => {
                self.count(picture.counts);
                match self.frame(&picture) {
                    Some(frame) => {
                        if let Origin::Replay(played) = &mut self.origin {
                            played.tries = 0;
                        }
                        // A file's next picture is made while this one is looked at. A camera's newest is wanted.
                        if !matches!(self.origin, Origin::Camera { .. }) {
                            self.watch.progress = Instant::now();
                            // Where nobody listens the next call says so.
                            self.ask();
                        }
                        Ok(Some(frame))
                    }
                    None => Err(Err(self.died(Some(Death::Lied)))),
                }
            }
            Say::End(counts) => {
                self.count(counts);
                Err(Ok(()))
            }
            Say::Failed(failure, counts) => {
                self.count(counts);
                let fault = self.door_fault().unwrap_or_else(|| failure.about(self.input.clone()));
                Err(Err(fault))
            }
            _ => Err(Err(self.died(Some(Death::Lied)))),
        }
    }

    /// Makes a ring of slots of so many bytes. The old one lives as long as its frames.
    fn room(&mut self, bytes: u64) -> Result<(), Option<Death>> {
        let (ring, file) = Ring::new(bytes).map_err(|_| Some(Death::Lied))?;
        let slot = ring.take().unwrap_or_default();
        self.ring = Some(Arc::new(ring));
        self.asked = Some(slot);
        self.untried = true;
        self.cell.ask(&Ask::Ring { slot }, &[file.as_fd()]).map_err(|_| None)
    }

    /// What was asked for. `None` where the numbers can't be.
    fn frame(&mut self, said: &Picture) -> Option<Frame> {
        let (slot, ring) = (self.asked.take()?, self.ring.clone()?);
        let slot = Slot::new(ring.clone(), slot, said.bytes)?;
        self.untried = false;
        if said.running > LONGEST || said.first > said.running || said.now.is_some_and(|(_, running)| running > LONGEST) {
            return None;
        }
        if self.delivered == 0 {
            self.first = said.first;
        }
        let mut at = MediaTime::from_duration(said.running.saturating_sub(self.first));
        if self.delivered > 0 && at <= self.position {
            at = MediaTime::from_duration(self.position.as_duration() + Duration::from_micros(1));
        }
        if let Origin::Camera { clock, .. } = &mut self.origin {
            let ours = ReceiveTime::now().as_micros();
            if let Some((then, running)) = said.now {
                // It was made a moment ago.
                clock.ours_is(then.clamp(ours - LATEST_MICROS, ours), running);
            }
            if let Some(ntp) = said.ntp {
                clock.report(said.running, ntp);
            }
        }
        // Somebody keeps all the others: then this one is copied, and there is a slot to go on with.
        let source: Arc<dyn PixelSource> = if ring.has_room() { Arc::new(slot) } else { Arc::new(slot.bytes().to_vec()) };
        let taken = self.stamp(at);
        let (size, format, matrix, planes) = (said.size(), said.format(), said.matrix(), said.planes());
        let frame = Frame::new(source, size, format, matrix, planes, at, taken, self.delivered).ok()?;
        self.delivered += 1;
        self.position = at;
        Some(frame)
    }

    fn count(&mut self, said: Counts) {
        let now = said.at_least(self.counts);
        if now != self.counts {
            self.watch.progress = Instant::now();
        }
        self.counts = now;
    }

    fn hangs(&self) -> bool {
        match self.origin {
            // One that shows nothing may be a camera that sends nothing: that is the caller's to judge.
            Origin::Camera { .. } | Origin::Replay(_) => self.watch.word.elapsed() > SILENT_CAMERA,
            Origin::File { .. } => self.watch.word.elapsed() > SILENT_FILE || self.watch.progress.elapsed() > IDLE_FILE,
        }
    }

    fn died(&mut self, why: Option<Death>) -> MediaError {
        let at = self.counts.reached().min(LONGEST).max(self.position.as_duration());
        self.cell.died(&self.input, at, why)
    }

    /// What the door knows is why GStreamer complains.
    fn door_fault(&self) -> Option<MediaError> {
        match &self.origin {
            Origin::Camera { door, .. } => door.fault().map(|fault| fault.about(self.input.clone())),
            Origin::Replay(played) => played.door.fault().map(|fault| fault.about(self.input.clone())),
            Origin::File { .. } => None,
        }
    }

    /// When a frame of this reader was taken, by all that is known now: a camera's first sender report dates the frames
    /// before it too, which were returned with their receive time. As exact as the arrival was even, some 10 ms.
    pub fn stamp(&self, at: MediaTime) -> TimeStamp {
        match &self.origin {
            Origin::File { start } => TimeStamp { time: start.time.plus_micros(at.as_micros()), ..*start },
            Origin::Replay(played) => {
                TimeStamp { time: played.replay.start.time.plus_micros(at.as_micros()), ..played.replay.start }
            }
            Origin::Camera { clock, .. } => clock.stamp(self.first + at.as_duration()),
        }
    }

    /// A camera's clock, once a sender report came.
    pub fn clock(&self) -> Option<CameraClock> {
        match &self.origin {
            Origin::File { .. } | Origin::Replay(_) => None,
            Origin::Camera { clock, .. } => clock.known(),
        }
    }

    /// Of the last frame returned.
    pub fn position(&self) -> MediaTime {
        self.position
    }

    /// Answers and packets of a camera so far, whether a picture came of them or not: it lives as long as this grows. The door
    /// counts them, whatever its decoder makes of them.
    pub fn heard(&self) -> u64 {
        match &self.origin {
            Origin::Camera { door, .. } => door.heard(),
            Origin::File { .. } | Origin::Replay(_) => 0,
        }
    }

    /// As the decoder told them last, a second ago at most while a frame is waited for.
    pub fn stats(&self) -> ReaderStats {
        self.counts.stats(self.delivered)
    }
}

/// How long a message of a camera's decoder may have waited for us to take it.
const LATEST_MICROS: i64 = 60_000_000;

impl Drop for FrameReader {
    fn drop(&mut self) {
        // A camera has few sessions to give: it is told that this one is over.
        if matches!(self.origin, Origin::Camera { .. }) && self.delivered > 0 && self.ended.is_none() {
            self.cell.goodbye(GOODBYE);
        }
    }
}
