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
    chain::{Chain, codec_name, container_name, on_timeline, timeline},
    clock::micros,
    completeness::{self, Completeness, Lasts},
    element::{broken, element},
    feed::{self, Feed, Section},
    movie,
    pixels::{self, Pixels},
    reordered,
    replayed::{Line, Span, feeder},
    shared::Shared,
    spans,
    transport::Survey,
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
    /// Of a transport or program stream: what brings it into the pipeline.
    feed: Option<Feed>,
    /// What that is called.
    fed: Option<&'static str>,
    /// How long the file says it lasts, where its demuxer is not to know.
    lasts: Option<Duration>,
    /// How long its pictures last, where its demuxer learns it only while it reads.
    spans: Option<Duration>,
    sampling: Sampling,
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
        footage: Footage,
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
    /// Its time is a guess: the clock started again before it, or there is none.
    pub(crate) guessed: bool,
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
/// Quiet ticks that sound may go on without pictures.
const PATIENT: u32 = 1500;
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
        let (true, Ok(_), Some(first), true) = (paused, changed, first, self.shared.shown()) else {
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
        let section = Section::first(footage).map_err(|error| unreadable(footage, &error))?;
        let origin = Origin::File { completeness, lasts, footage: footage.clone() };
        let clockless = section.is_none() && matches!(lasts, Lasts::Clockless);
        let shared = Arc::new(Shared::new(from_inside, clockless));
        if let Some(section) = section {
            return Self::of_section(input, origin, shared, section, sampling);
        }
        let source = element("filesrc")?;
        source.set_property("location", footage.name());
        let brief = movie::brief(footage.file()).map_err(|error| unreadable(footage, &error))?;
        if let Some((brief, pad)) = brief.as_ref().zip(source.static_pad("src")) {
            brief.blank(&pad);
        }
        let watched = shared.clone();
        let brings = |pipeline: &gst::Pipeline, chain: Chain| {
            let parse = allowed::parsebin()?;
            let mut elements = vec![source];
            // Left to jump about in the file, mpegpsdemux looks for the first timestamp in the wrong place and drops what
            // comes before it. Behind a queue it reads from front to back.
            if matches!(lasts, Lasts::Clock(_)) {
                elements.push(element("queue")?);
            }
            elements.push(parse.clone());
            pipeline.add_many(&elements).map_err(broken)?;
            gst::Element::link_many(&elements).map_err(broken)?;
            watch_parsers(&parse, watched);
            parse.connect_pad_added(move |_, pad| chain.offer(pad));
            Ok(())
        };
        let mut reader = Self::new(input, origin, shared, brings, sampling)?;
        reader.lasts = brief.map(|brief| brief.lasts);
        reader.spans = spans::spans(footage.file()).map_err(|error| unreadable(footage, &error))?;
        Ok(reader)
    }

    /// Reads pictures of one codec out of a transport or program stream.
    fn of_section(
        input: String,
        origin: Origin,
        shared: Arc<Shared>,
        section: Section,
        sampling: Sampling,
    ) -> Result<Self, MediaError> {
        let (source, container) = (section.source(), section.container);
        let (entry, watched) = (source.clone(), shared.clone());
        let brings = |pipeline: &gst::Pipeline, chain: Chain| {
            let parse = allowed::parsebin()?;
            pipeline.add_many([entry.upcast_ref(), &parse]).map_err(broken)?;
            entry.link(&parse).map_err(broken)?;
            watch_parsers(&parse, watched);
            parse.connect_pad_added(move |_, pad| chain.offer(pad));
            Ok(())
        };
        let mut reader = Self::new(input, origin, shared.clone(), brings, sampling)?;
        (reader.feed, reader.fed) = (Some(section.feed(source, shared)?), Some(container));
        Ok(reader)
    }

    /// After the end of one codec in a file: goes on with the next. False if there is none.
    fn goes_on(&mut self) -> Result<bool, MediaError> {
        let Some(section) = self.feed.as_mut().and_then(Feed::end) else { return Ok(false) };
        let Origin::File { completeness, lasts, footage } = &self.origin else { return Ok(false) };
        let origin = Origin::File { completeness: completeness.clone(), lasts: *lasts, footage: footage.clone() };
        let shared = Arc::new(self.shared.next());
        let mut next = Self::of_section(self.input.clone(), origin, shared, section, self.sampling.clone())?;
        next.start()?;
        (next.delivered, next.position) = (self.delivered, self.position);
        // What has ended is stopped where it is dropped.
        std::mem::swap(self, &mut next);
        Ok(true)
    }

    /// Starts connecting to a camera; the first [`Self::next`] tells whether it answers.
    pub(crate) fn open_rtsp(way: &Way, sampling: Sampling) -> Result<Self, MediaError> {
        load()?;
        let source = rtspsrc(way)?;
        let mut reader = Self::new(
            "camera".to_owned(),
            Origin::Camera { heard: false },
            Arc::new(Shared::default()),
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
        let shared = Arc::new(Shared::of_span(line.span()));
        let mut reader = Self::new(
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
        shared: Arc<Shared>,
        source: impl FnOnce(&gst::Pipeline, Chain) -> Result<(), MediaError>,
        sampling: Sampling,
    ) -> Result<Self, MediaError> {
        let pipeline = gst::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| broken("a pipeline without a bus"))?;
        let live = matches!(origin, Origin::Camera { .. });
        let (chain, sink) = Chain::new(&pipeline, &shared, sampling.clone(), live)?;
        // From here on a failure must tear down what was made: the reader's drop does.
        let reader = Self {
            pipeline,
            bus,
            sink,
            shared,
            complaints: Complaints::default(),
            feed: None,
            fed: None,
            lasts: None,
            spans: None,
            sampling,
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
            } else if self.sink.is_eos() && (quiet > PATIENT || !self.more_to_come()) {
                self.over();
            } else if quiet > QUIET && self.is_lifeless() {
                // What the last thread brought, it may have brought since we looked.
                match self.sink.try_pull_sample(gst::ClockTime::ZERO) {
                    Some(sample) => pulled = Some(sample),
                    None if self.sink.is_eos() => self.over(),
                    None => self.ended = Some(Err(self.verdict())),
                }
            } else if left.is_zero() {
                return Err(MediaError::Stalled { input: self.input.clone(), after: timeout });
            }
        }
    }

    /// The pictures ended well before what the container announces, and something of it is still being read: sound that goes on.
    fn more_to_come(&self) -> bool {
        let Origin::File { .. } = &self.origin else { return false };
        let (all, _) = self.shared.demuxed();
        let at = self.shared.reached().max(all);
        self.shared.found().sound && self.announced().is_some_and(|of| short(at, of)) && self.alive()
    }

    /// The pipeline has ended: so has everything, or another follows.
    fn over(&mut self) {
        match self.goes_on() {
            Ok(true) => {}
            Ok(false) => self.ended = Some(self.end()),
            Err(error) => self.ended = Some(Err(error)),
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
        let file = matches!(self.origin, Origin::File { .. });
        let guessed = file && self.shared.doubts(running) || (self.shared.clockless && self.sampling.stated_fps.is_none());
        Ok(Some(Picture { pixels, running, first, now, ntp, guessed }))
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
            Origin::Camera { .. } | Origin::Replay | Origin::File { lasts: Lasts::Nobody | Lasts::Clockless, .. } => None,
            Origin::File { lasts: Lasts::Clock(duration), .. } => *duration,
            Origin::File { .. } => self.announced(),
        }
    }

    /// By an index or header of the container, not by what happens to be there.
    fn announced(&self) -> Option<Duration> {
        let Origin::File { lasts: Lasts::AskDemuxer, .. } = &self.origin else { return None };
        if self.feed.is_some() {
            return None;
        }
        if self.spans.is_some() {
            return self.spans;
        }
        let asked = || self.pipeline.query_duration::<gst::ClockTime>().map(Duration::from);
        let announced = self.lasts.or_else(asked).filter(|d| !d.is_zero())?;
        // It counts from zero, and the first picture may come much later.
        let matroska = matches!(self.container().as_deref(), Some("Matroska" | "WebM"));
        let (stamp, position) = self.shared.begins();
        // matroskademux tells times from the first picture, and how long it lasts from zero.
        let before = if matroska { stamp } else { position };
        Some(announced.checked_sub(before).filter(|d| !d.is_zero()).unwrap_or(announced))
    }

    /// Of a transport or program stream: what all of it says.
    fn survey(&self) -> Option<Survey> {
        let Origin::File { footage, .. } = &self.origin else { return None };
        self.feed.as_ref()?;
        feed::survey(footage).ok()
    }

    pub(crate) fn info(&self, size: Size) -> FootageInfo {
        let found = self.shared.found();
        // What the decoder was given in the end; at first not everything was known.
        let video = found.decoder.upgrade().and_then(|pad| pad.current_caps()).or_else(|| found.video.clone());
        let rate = video.as_ref().and_then(|caps| caps.structure(0)?.get::<gst::Fraction>("framerate").ok());
        let survey = self.survey();
        let mut left_out = found.left_out.clone();
        left_out.extend(survey.iter().flat_map(|survey| survey.left_out.iter().cloned()));
        FootageInfo {
            duration: survey.map_or_else(|| self.duration(), |survey| survey.lasts),
            size,
            frame_rate: rate.filter(|r| r.numer() > 0 && r.denom() > 0).map(|r| f64::from(r.numer()) / f64::from(r.denom())),
            codec: video.as_ref().map(codec_name).unwrap_or_default(),
            seekable: self.seekable(),
            container: self.container().unwrap_or_default(),
            clockless: self.shared.clockless,
            left_out,
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
        if let Some(fed) = self.fed {
            return Some(fed.into());
        }
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
            return if self.shared.shown() { Ok(()) } else { Err(self.verdict()) };
        };
        if matches!(completeness, Completeness::Cut(_)) || !self.shared.shown() {
            return Err(self.verdict());
        }
        if let Some(what) = self.shared.found().unreadable.clone() {
            return Err(MediaError::Unreadable { input: self.input.clone(), what });
        }
        let (at, input) = (self.shared.reached(), self.input.clone());
        // Sound may go on without pictures.
        let (all, pictures) = self.shared.demuxed();
        if short(at, pictures) {
            return Err(MediaError::Damaged { input, at, what: "nothing after it can be decoded".into() });
        }
        match self.announced() {
            Some(of) if short(at.max(all), of) && *completeness == Completeness::Unknown => {
                Err(MediaError::Truncated { input, at, of: Some(of), what: "it ends before its announced duration".into() })
            }
            Some(of) if short(at.max(all), of) => {
                Err(MediaError::Damaged { input, at, what: "nothing after it can be read".into() })
            }
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
        if let Some(feed) = &mut self.feed {
            feed.end();
        }
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
    let from_io = |error: io::Error| unreadable(footage, &error);
    if footage.file().metadata().map_err(from_io)?.len() == 0 {
        return Err(MediaError::Empty { input: input() });
    }
    completeness::look(&footage.name()).map_err(from_io)
}

fn unreadable(footage: &Footage, error: &io::Error) -> MediaError {
    MediaError::Unreadable { input: footage.input(), what: error.kind().to_string() }
}

/// Notes how far a demuxer came, by what goes into the parsers behind it.
fn watch_parsers(parse: &gst::Element, shared: Arc<Shared>) {
    if let Some(bin) = parse.downcast_ref::<gst::Bin>() {
        bin.connect_deep_element_added(move |_, _, element| watch_parser(element, &shared));
    }
}

fn watch_parser(element: &gst::Element, shared: &Arc<Shared>) {
    let Some(factory) = element.factory() else { return };
    let pictures = factory.has_type(gst::ElementFactoryType::PARSER | gst::ElementFactoryType::MEDIA_VIDEO);
    let parser = pictures || factory.has_type(gst::ElementFactoryType::PARSER | gst::ElementFactoryType::MEDIA_AUDIO);
    let Some(pad) = element.static_pad("sink").filter(|_| parser) else { return };
    let shared = shared.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = info.buffer().and_then(|buffer| buffer.pts().or(buffer.dts()));
        if let Some(running) = time.and_then(|time| timeline(pad, time, &shared)) {
            shared.demux(running, pictures && !shared.clockless);
        }
        gst::PadProbeReturn::Ok
    });
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
