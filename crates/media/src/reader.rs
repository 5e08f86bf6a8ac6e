//! Pictures, one after another, from a file or a camera, with GStreamer. Runs inside a decoder's process alone.

use std::{
    fmt, io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use types::{ReceiveTime, Size};

use crate::{
    Footage, FootageInfo, MediaError, ReaderStats, Sampling, allowed,
    chain::{Chain, codec_name, container_name, on_timeline},
    clock::micros,
    completeness::{self, Completeness, Lasts},
    element::{broken, element},
    pixels::{self, Pixels},
    reordered,
    replayed::{Line, Span, feeder},
    shared::Shared,
    verdict::Complaints,
};

/// Reads one file or camera. Owns its pipeline: dropping it stops every thread and closes every descriptor it opened;
/// pictures already returned stay valid.
pub(crate) struct LocalReader {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
    sink: gst_app::AppSink,
    shared: Arc<Shared>,
    complaints: Complaints,
    /// The file, or the camera.
    input: String,
    origin: Origin,
    delivered: u64,
    /// Of the last picture returned, since the first.
    position: Duration,
    /// Ticks in a row in which no thread of a file's pipeline ran.
    lifeless: u32,
    /// How it ended; every later call says the same.
    ended: Option<Result<(), MediaError>>,
}

enum Origin {
    File {
        completeness: Completeness,
        lasts: Lasts,
        /// The handle lives while GStreamer reads by its name.
        _footage: Footage,
    },
    Camera {
        /// A picture with a sender report's time has come.
        heard: bool,
    },
    /// A recording on a recorder.
    Replay,
}

/// How a decoder comes to a camera: through the door of its parent, and nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) location: String,
    /// What GStreamer calls itself at the door.
    pub(crate) key: String,
    pub(crate) latency: Duration,
    pub(crate) timeout: Duration,
}

/// A picture and what is known of when it was taken.
pub(crate) struct Picture {
    pub(crate) pixels: Pixels,
    /// Since the source began, and that of the first picture.
    pub(crate) running: Duration,
    pub(crate) first: Duration,
    /// Of a camera: our clock in microseconds since 1970 and the running time, at one moment.
    pub(crate) now: Option<(i64, Duration)>,
    /// Of a camera: by its own clock, in nanoseconds since 1900.
    pub(crate) ntp: Option<u64>,
}

impl fmt::Debug for LocalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalReader({} at {:?})", self.input, self.position)
    }
}

/// How much longer GStreamer waits than the door.
const AFTER_THE_DOOR: Duration = Duration::from_secs(2);
/// How often a quiet pipeline is asked for errors.
const TICK: Duration = Duration::from_millis(20);
/// How long the first picture of a file, or the first after a jump in it, may take.
const JUMP: Duration = Duration::from_secs(30);
/// Quiet ticks before a file's pipeline is asked whether it lives.
const QUIET: u32 = 10;
/// Ticks in a row in which nothing lives. On a busy machine one thread of a pipeline may have ended a while before the next
/// one starts.
const LIFELESS: u32 = 75;

impl LocalReader {
    /// Starts reading a file: from its beginning, or so that the first picture returned is the first at or after `from`. Times are
    /// the same either way; so are the pictures but for the first, which the sampling rate may choose otherwise. For files of which
    /// [`FootageInfo::seekable`] says so.
    pub(crate) fn open_footage(footage: &Footage, sampling: Sampling, from: Option<Duration>) -> Result<Self, MediaError> {
        let mut reader = Self::made_for_file(footage, sampling, from.is_some())?;
        if let Some(from) = from {
            reader.jump(from)?;
        }
        reader.start()?;
        Ok(reader)
    }

    /// Waits for the first picture, which says where time begins, and goes on `from` there.
    fn jump(&mut self, from: Duration) -> Result<(), MediaError> {
        let paused = self.pipeline.set_state(gst::State::Paused).is_ok();
        let (changed, ..) = self.pipeline.state(clock_time(JUMP));
        let first = self.shared.first();
        let (true, Ok(_), Some(first)) = (paused, changed, first) else {
            self.complaints.gather(&self.bus, &self.shared);
            return Err(self.verdict());
        };
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        self.pipeline.seek_simple(flags, clock_time(first + from)).map_err(broken)?;
        // Until the first picture from there is decoded, the one from before the jump may still be handed out.
        let (changed, ..) = self.pipeline.state(clock_time(JUMP));
        changed.map(|_| ()).map_err(|_| {
            self.complaints.gather(&self.bus, &self.shared);
            self.verdict()
        })
    }

    fn made_for_file(footage: &Footage, sampling: Sampling, from_inside: bool) -> Result<Self, MediaError> {
        load()?;
        let input = footage.input();
        let (completeness, lasts) = look(footage)?;
        let source = element("filesrc")?;
        source.set_property("location", footage.name());
        let parse = allowed::parsebin()?;
        let origin = Origin::File { completeness, lasts, _footage: footage.clone() };
        Self::new(
            input,
            origin,
            from_inside,
            |pipeline, chain| {
                let mut elements = vec![source];
                // Left to jump about in the file, mpegpsdemux looks for the first timestamp in the wrong place and drops what
                // comes before it. Behind a queue it reads from front to back.
                if matches!(lasts, Lasts::Clock(_)) {
                    elements.push(element("queue")?);
                }
                elements.push(parse.clone());
                pipeline.add_many(&elements).map_err(broken)?;
                gst::Element::link_many(&elements).map_err(broken)?;
                parse.connect_pad_added(move |_, pad| chain.offer(pad));
                Ok(())
            },
            sampling,
        )
    }

    /// Starts connecting to a camera; the first [`Self::next`] tells whether it answers.
    pub(crate) fn open_rtsp(way: &Way, sampling: Sampling) -> Result<Self, MediaError> {
        load()?;
        let source = rtspsrc(way)?;
        let mut reader = Self::new(
            "camera".to_owned(),
            Origin::Camera { heard: false },
            false,
            |pipeline, chain| {
                pipeline.add(&source).map_err(broken)?;
                let (chain, weak) = (Arc::new(chain), pipeline.downgrade());
                source.connect_pad_added(move |_, pad| {
                    let Some(pipeline) = weak.upgrade() else { return };
                    reordered::watch(pad);
                    if let Err(error) = parse_rtp(&pipeline, pad, &chain) {
                        chain.fail(&error);
                    }
                });
                Ok(())
            },
            sampling,
        )?;
        reader.start()?;
        Ok(reader)
    }

    /// Starts to read what a recorder plays; its packets come with their times.
    pub(crate) fn open_replay(line: &Line, sampling: Sampling) -> Result<Self, MediaError> {
        load()?;
        let source = element("appsrc")?;
        let shared = Shared::of_span(line.span());
        let mut reader = Self::with(
            "recorder".to_owned(),
            Origin::Replay,
            shared,
            |pipeline, chain| {
                pipeline.add(&source).map_err(broken)?;
                let pad = source.static_pad("src").ok_or_else(|| broken("no source pad"))?;
                parse_rtp(pipeline, &pad, &Arc::new(chain))
            },
            sampling,
        )?;
        let source = source.downcast().map_err(|_| broken("appsrc is no appsrc"))?;
        feeder::feed(line, source, &reader.shared)?;
        reader.start()?;
        Ok(reader)
    }

    fn new(
        input: String,
        origin: Origin,
        from_inside: bool,
        source: impl FnOnce(&gst::Pipeline, Chain) -> Result<(), MediaError>,
        sampling: Sampling,
    ) -> Result<Self, MediaError> {
        Self::with(input, origin, Shared::new(from_inside), source, sampling)
    }

    fn with(
        input: String,
        origin: Origin,
        shared: Shared,
        source: impl FnOnce(&gst::Pipeline, Chain) -> Result<(), MediaError>,
        sampling: Sampling,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| broken("a pipeline without a bus"))?;
        let shared = Arc::new(shared);
        let live = matches!(origin, Origin::Camera { .. });
        let (chain, sink) = Chain::new(&pipeline, &shared, sampling, live)?;
        // From here on a failure must tear down what was made: the reader's drop does.
        let reader = Self {
            pipeline,
            bus,
            sink,
            shared,
            complaints: Complaints::default(),
            input,
            origin,
            delivered: 0,
            position: Duration::ZERO,
            lifeless: 0,
            ended: None,
        };
        source(&reader.pipeline, chain)?;
        Ok(reader)
    }

    fn start(&mut self) -> Result<(), MediaError> {
        match self.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(_) => {
                self.complaints.gather(&self.bus, &self.shared);
                Err(self.verdict())
            }
        }
    }

    /// The next sampled picture. Blocks up to `timeout`; nothing by then is [`MediaError::Stalled`], after which reading may
    /// go on. `Ok(None)` is the clean end. Every other error is final: later calls repeat it.
    // Not an iterator: the timeout is the caller's, per call.
    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Option<Picture>, MediaError> {
        let deadline = Instant::now() + timeout;
        let (mut pulled, mut quiet) = (None, 0);
        loop {
            if let Some(ended) = &self.ended {
                return ended.clone().map(|()| None);
            }
            if self.shared.span.as_ref().is_some_and(Span::is_nothing) {
                self.ended = Some(self.end());
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(sample) = pulled.take().or_else(|| self.sink.try_pull_sample(clock_time(left.min(TICK)))) {
                match self.picture(&sample) {
                    Ok(Some(picture)) => return Ok(Some(picture)),
                    Ok(None) => continue,
                    Err(what) => {
                        self.ended = Some(Err(MediaError::Damaged { input: self.input.clone(), at: self.position, what }));
                        continue;
                    }
                }
            }
            quiet += 1;
            if self.complaints.gather(&self.bus, &self.shared) {
                // Frames that were decoded before the error are still worth having.
                match self.sink.try_pull_sample(gst::ClockTime::ZERO) {
                    Some(sample) => pulled = Some(sample),
                    None => self.ended = Some(Err(self.verdict())),
                }
            } else if self.sink.is_eos() {
                self.ended = Some(self.end());
            } else if quiet > QUIET && self.is_lifeless() {
                // What the last thread brought, it may have brought since we looked.
                match self.sink.try_pull_sample(gst::ClockTime::ZERO) {
                    Some(sample) => pulled = Some(sample),
                    None if self.sink.is_eos() => self.ended = Some(self.end()),
                    None => self.ended = Some(Err(self.verdict())),
                }
            } else if left.is_zero() {
                return Err(MediaError::Stalled { input: self.input.clone(), after: timeout });
            }
        }
    }

    /// Whether no thread of a file's pipeline has run for a while, so that nothing will ever come. A demuxer's thread counts as
    /// ended while it brings the file's end to a decoder, which may be slow to give its last pictures.
    fn is_lifeless(&mut self) -> bool {
        self.lifeless = if self.alive() || self.shared.ending.load(Ordering::Relaxed) { 0 } else { self.lifeless + 1 };
        self.lifeless > LIFELESS
    }

    /// Whether any thread of a file's pipeline still runs. parsebin swallows the error of a demuxer that fails while it is
    /// being plugged in; then nothing will ever come, and nobody says so.
    fn alive(&self) -> bool {
        let elements = self.pipeline.iterate_recurse().into_iter().flatten();
        let live = !matches!(self.origin, Origin::File { .. });
        live || elements.flat_map(|element| element.pads()).any(|pad| pad.task_state() == gst::TaskState::Started)
    }

    fn picture(&mut self, sample: &gst::Sample) -> Result<Option<Picture>, String> {
        let Some((buffer, segment)) = sample.buffer().zip(sample.segment()) else { return Ok(None) };
        let running = buffer.pts().and_then(|pts| on_timeline(segment, pts, &self.shared));
        let Some(running) = running.map(Duration::from) else { return Ok(None) };
        self.shared.deliver(running);
        let (mut now, mut ntp) = (None, None);
        if let Origin::Camera { heard } = &mut self.origin {
            now = self.pipeline.current_running_time().map(|running| (ReceiveTime::now().as_micros(), running.into()));
            let mut references = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
            if let Some(reference) =
                references.find(|meta| meta.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
            {
                // The parser gives the last frame before the first report the time of the frame after it: one frame late.
                if std::mem::replace(heard, true) {
                    ntp = Some(reference.timestamp().nseconds());
                }
            }
        }
        let first = self.shared.first().unwrap_or_default();
        let pixels = pixels::of(sample)?;
        self.delivered += 1;
        self.position = running.saturating_sub(first);
        Ok(Some(Picture { pixels, running, first, now, ntp }))
    }

    pub(crate) fn stats(&self) -> ReaderStats {
        self.shared.stats(self.delivered, matches!(self.origin, Origin::Camera { .. }))
    }

    /// How far the video was read, since its first picture.
    pub(crate) fn reached(&self) -> Duration {
        self.shared.reached()
    }

    /// As announced by the container; `None` for cameras and bare video streams.
    fn duration(&self) -> Option<Duration> {
        match &self.origin {
            Origin::Camera { .. } | Origin::Replay | Origin::File { lasts: Lasts::Nobody, .. } => None,
            Origin::File { lasts: Lasts::Clock(duration), .. } => *duration,
            Origin::File { .. } => self.announced(),
        }
    }

    /// By an index or header of the container, not by what happens to be there.
    fn announced(&self) -> Option<Duration> {
        let Origin::File { lasts: Lasts::AskDemuxer, .. } = &self.origin else { return None };
        self.pipeline.query_duration::<gst::ClockTime>().map(Duration::from).filter(|d| !d.is_zero())
    }

    pub(crate) fn info(&self, size: Size) -> FootageInfo {
        let found = self.shared.found();
        // What the decoder was given in the end; at first not everything was known.
        let video = found.decoder.upgrade().and_then(|pad| pad.current_caps()).or_else(|| found.video.clone());
        let rate = video.as_ref().and_then(|caps| caps.structure(0)?.get::<gst::Fraction>("framerate").ok());
        FootageInfo {
            duration: self.duration(),
            size,
            frame_rate: rate.filter(|r| r.numer() > 0 && r.denom() > 0).map(|r| f64::from(r.numer()) / f64::from(r.denom())),
            codec: video.as_ref().map(codec_name).unwrap_or_default(),
            seekable: self.seekable(),
            container: self.container().unwrap_or_default(),
        }
    }

    /// Where what is to be decoded comes in, once something is.
    pub(crate) fn decoder_pad(&self) -> Option<gst::Pad> {
        self.shared.found().decoder.upgrade()
    }

    /// Whether reading can begin inside. Only containers with an index and one line of time that never starts again: elsewhere
    /// a jump lands who knows where.
    fn seekable(&self) -> bool {
        let Origin::File { completeness: Completeness::Whole, .. } = &self.origin else { return false };
        let indexed = matches!(self.container().as_deref(), Some("MP4" | "AVI" | "Matroska" | "WebM"));
        let mut query = gst::query::Seeking::new(gst::Format::Time);
        indexed && self.announced().is_some() && self.pipeline.query(&mut query) && query.result().0
    }

    fn container(&self) -> Option<String> {
        let typefind = self
            .pipeline
            .iterate_recurse()
            .into_iter()
            .flatten()
            .find(|e| e.factory().is_some_and(|f| f.name() == "typefind"))?;
        let caps = typefind.property::<Option<gst::Caps>>("caps")?;
        container_name(&caps)
    }

    /// The stream ended without an error: was that all of it?
    fn end(&self) -> Result<(), MediaError> {
        if let Some(span) = &self.shared.span {
            let what = "the recorder stopped in the middle".into();
            return if span.is_cut() { Err(MediaError::Unreachable { input: self.input.clone(), what }) } else { Ok(()) };
        }
        let Origin::File { completeness, .. } = &self.origin else {
            return if self.shared.first().is_some() { Ok(()) } else { Err(self.verdict()) };
        };
        if matches!(completeness, Completeness::Cut(_)) || self.shared.first().is_none() {
            return Err(self.verdict());
        }
        let (at, input) = (self.shared.reached(), self.input.clone());
        match self.announced() {
            Some(of) if short(at, of) && *completeness == Completeness::Unknown => {
                Err(MediaError::Truncated { input, at, of: Some(of), what: "it ends before its announced duration".into() })
            }
            Some(of) if short(at, of) => Err(MediaError::Damaged { input, at, what: "nothing after it can be decoded".into() }),
            _ => Ok(()),
        }
    }

    /// Why there are no more frames, when that is not the clean end.
    fn verdict(&self) -> MediaError {
        let (input, at) = (self.input.clone(), self.shared.reached());
        match &self.origin {
            Origin::Camera { .. } | Origin::Replay => self.complaints.about_camera(input, &self.shared),
            Origin::File { completeness: Completeness::Cut(what), .. } => {
                let of = self.announced().filter(|of| *of > at);
                MediaError::Truncated { input, at, of, what: what.clone() }
            }
            Origin::File { .. } => self.complaints.about_file(input, &self.shared, at),
        }
    }
}

impl Drop for LocalReader {
    fn drop(&mut self) {
        // Joins every streaming thread.
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!(input = %self.input, "the pipeline did not stop cleanly");
        }
        self.bus.set_flushing(true);
    }
}

/// The last frame lasts, sound may outlast the picture, and announced durations are rounded.
fn short(at: Duration, of: Duration) -> bool {
    of.saturating_sub(at) > (of / 10).max(Duration::from_secs(2))
}

fn clock_time(duration: Duration) -> gst::ClockTime {
    gst::ClockTime::try_from(duration).unwrap_or(gst::ClockTime::from_seconds(3600))
}

fn look(footage: &Footage) -> Result<(Completeness, Lasts), MediaError> {
    let input = || footage.input();
    let from_io = |error: io::Error| MediaError::Unreadable { input: input(), what: error.kind().to_string() };
    if footage.file().metadata().map_err(from_io)?.len() == 0 {
        return Err(MediaError::Empty { input: input() });
    }
    completeness::look(&footage.name()).map_err(from_io)
}

/// Loads GStreamer into this process.
pub(crate) fn load() -> Result<(), MediaError> {
    gst::init().map_err(broken)
}

/// Knows the door alone: neither where the camera is nor what its password is.
fn rtspsrc(way: &Way) -> Result<gst::Element, MediaError> {
    let source = element("rtspsrc")?;
    source.set_property("location", &way.location);
    source.set_property("user-agent", &way.key);
    // However the camera sends: the door carries it.
    source.set_property_from_str("protocols", "tcp");
    source.set_property("latency", u32::try_from(way.latency.as_millis()).unwrap_or(u32::MAX));
    // The door gives up first, and knows why.
    let timeout = u64::try_from(micros(way.timeout + AFTER_THE_DOOR)).unwrap_or(0);
    source.set_property("tcp-timeout", timeout);
    source.set_property("timeout", timeout);
    source.set_property("add-reference-timestamp-meta", true);
    // Sound is never asked for: nobody may listen, and it would have to be sent.
    source.connect("select-stream", false, |values| {
        let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let media = caps.and_then(|caps| caps.structure(0)?.get::<String>("media").ok());
        Some((media.as_deref() == Some("video")).to_value())
    });
    Ok(source)
}

fn parse_rtp(pipeline: &gst::Pipeline, pad: &gst::Pad, chain: &Arc<Chain>) -> Result<(), MediaError> {
    let parse = allowed::parsebin()?;
    pipeline.add(&parse).map_err(broken)?;
    let chain = chain.clone();
    parse.connect_pad_added(move |_, pad| chain.offer(pad));
    let sink = parse.static_pad("sink").ok_or_else(|| broken("parsebin without a sink"))?;
    parse.sync_state_with_parent().map_err(broken)?;
    pad.link(&sink).map_err(broken)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the machine is busy, the demuxer's thread has ended long before the decoder has given its last pictures.
    #[test]
    fn a_decoder_that_is_slow_to_end_is_waited_for() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../footage/town/hall.mp4");
        let footage = Footage::open(std::path::Path::new(path)).unwrap();
        let mut reader = LocalReader::open_footage(&footage, Sampling { fps: 1.0, ..Sampling::default() }, None).unwrap();
        let mut pictures = 0;
        let ended = loop {
            match reader.next(Duration::from_millis(500)) {
                Ok(Some(_)) if pictures == 0 => {
                    let pad = reader.decoder_pad().unwrap();
                    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
                            std::thread::sleep(TICK * (QUIET + LIFELESS) * 2);
                        }
                        gst::PadProbeReturn::Ok
                    });
                    pictures += 1;
                }
                Ok(Some(_)) => pictures += 1,
                Err(MediaError::Stalled { .. }) => {}
                ended => break ended.map(|_| "the end"),
            }
        };
        assert!(matches!(ended, Ok("the end")), "{ended:?}");
        assert!(pictures > 10, "{pictures}");
    }
}
