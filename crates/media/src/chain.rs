//! The elements between a source and the reader.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

use crate::{
    MediaError, Sampling, allowed,
    element::{broken, element},
    footage_info::MOST_LEFT_OUT,
    keyed::{Entering, Keyed},
    pixels::FORMATS,
    replayed::Span,
    sampling::Sampler,
    shared::{Shared, WAITING},
};

/// What follows the decoder: convert, deinterlace, rotate, scale, hand over. Each passes a picture that needs nothing of
/// it through untouched.
#[derive(Debug)]
pub(crate) struct Chain {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    entry: gst::Pad,
    shared: Arc<Shared>,
    sampling: Sampling,
    keyed: Arc<Keyed>,
    /// From a network: what is missing is missing without a trace in the times.
    lossy: bool,
}

impl Chain {
    /// Adds the elements to the pipeline. A live chain loses its oldest waiting frame rather than hold up the camera.
    pub(crate) fn new(
        pipeline: &gst::Pipeline,
        shared: &Arc<Shared>,
        sampling: Sampling,
        live: bool,
    ) -> Result<(Self, gst_app::AppSink), MediaError> {
        // Formats first, so that what follows sees only ours; a decoder that delivers one of them is not converted.
        let convert = element("videoconvert")?;
        // The frames that reach it are far apart in time: only a method without memory makes sense.
        let deinterlace = element("deinterlace")?;
        deinterlace.set_property_from_str("mode", "auto");
        deinterlace.set_property_from_str("method", "linear");
        deinterlace.set_property_from_str("fields", "top");
        let rotate = element("videoflip")?;
        rotate.set_property_from_str("video-direction", "auto");
        let mut elements = vec![convert, deinterlace, rotate, element("videoscale")?];
        // Square pixels: nobody after this knows of others, and a squeezed person is none.
        let square = gst::Fraction::new(1, 1);
        let mut caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS).pixel_aspect_ratio(square);
        if let Some(height) = sampling.max_height {
            let height = i32::try_from(height.max(1)).unwrap_or(i32::MAX);
            caps = caps.height_range(1..=height).width_range(1..=i32::MAX);
        }
        let sink = gst_app::AppSink::builder().caps(&caps.build()).max_buffers(WAITING).drop(live).sync(false).build();
        // The last sample would keep a decoder buffer for nobody.
        sink.set_property("enable-last-sample", false);
        sink.set_property("qos", false);
        elements.push(sink.clone().upcast());
        pipeline.add_many(&elements).map_err(broken)?;
        gst::Element::link_many(&elements).map_err(broken)?;
        let entry = elements[0].static_pad("sink").ok_or_else(|| broken("no sink pad"))?;
        let keyed = Arc::new(Keyed::new());
        let lossy = live || shared.span.is_some();
        let chain = Self { pipeline: pipeline.downgrade(), entry, shared: shared.clone(), sampling, keyed, lossy };
        Ok((chain, sink))
    }

    /// Takes a parsed stream: the first one with pictures is decoded, the others are named.
    pub(crate) fn offer(&self, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let Some(kind) = caps.structure(0).map(|s| s.name().to_string()) else { return };
        if kind.starts_with("audio/") {
            self.shared.found().sound = true;
            // It is read and dropped: it may go on where there are no pictures any more, and a demuxer stops for what nobody takes.
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, |_, _| gst::PadProbeReturn::Drop);
        }
        if !(kind.starts_with("video/") || kind.starts_with("image/")) {
            return;
        }
        if self.entry.is_linked() {
            let number = |key: &str| caps.structure(0).and_then(|s| s.get::<i32>(key).ok());
            let size = number("width").zip(number("height")).map(|(w, h)| format!(", {w}x{h}")).unwrap_or_default();
            let left_out = &mut self.shared.found().left_out;
            if left_out.len() < MOST_LEFT_OUT {
                left_out.push(format!("stream {} ({}{size})", left_out.len() + 2, codec_name(&caps)));
            }
            return;
        }
        let mut found = self.shared.found();
        if kind == "image/png" || kind == "image/gif" || kind == "image/bmp" || kind == "image/svg+xml" {
            found.unsupported = Some("a still picture".into());
            return;
        }
        found.video = Some(caps.clone());
        let Some(factory) = decoder_for(&caps) else {
            found.unsupported = Some(codec_name(&caps));
            return;
        };
        drop(found);
        if let Err(error) = self.decode(pad, &factory) {
            self.fail(&error);
        }
    }

    /// A link that can't fail failed on one of GStreamer's threads.
    pub(crate) fn fail(&self, error: &MediaError) {
        self.shared.found().broken = Some(error.to_string());
    }

    fn decode(&self, pad: &gst::Pad, factory: &gst::ElementFactory) -> Result<(), MediaError> {
        let pipeline = self.pipeline.upgrade().ok_or_else(|| broken("the pipeline is gone"))?;
        let decoder = factory.create().build().map_err(broken)?;
        for threads in ["max-threads", "threads", "n-threads"] {
            if decoder.find_property(threads).is_some() {
                decoder.set_property_from_str(threads, &self.sampling.decoder_threads.max(1).to_string());
            }
        }
        pipeline.add(&decoder).map_err(broken)?;
        // Data that makes no sense is no reason to end: what comes after it may.
        if decoder.find_property("max-errors").is_some() {
            decoder.set_property("max-errors", -1);
        }
        let pads = (decoder.static_pad("sink"), decoder.static_pad("src"));
        let (Some(sink), Some(src)) = pads else { return Err(broken("a decoder without pads")) };
        self.shared.found().decoder = sink.downgrade();
        self.watch_encoded(&sink);
        self.gate(&src);
        src.link(&self.entry).map_err(broken)?;
        decoder.sync_state_with_parent().map_err(broken)?;
        pad.link(&sink).map_err(broken)?;
        Ok(())
    }

    /// Drops what lacks the pictures it needs and, if only keyframes are wanted, the rest, before anything is spent on it.
    fn watch_encoded(&self, pad: &gst::Pad) {
        let (shared, keyed, keyframes_only) = (self.shared.clone(), self.keyed.clone(), self.sampling.keyframes_only);
        let (first, lossy, steps) = (AtomicBool::new(true), self.lossy, Mutex::new(Steps::default()));
        let watched = shared.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::Eos) => {
                    watched.ending.store(true, Ordering::Relaxed);
                    if let Some(span) = &watched.span {
                        span.ends();
                    }
                }
                // After a jump.
                Some(gst::EventType::Segment) => watched.ending.store(false, Ordering::Relaxed),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
            let running = buffer.pts().or(buffer.dts()).and_then(|time| timeline(pad, time, &shared));
            if let Some(running) = running {
                shared.demux(running, true);
            }
            if let Some(pts) = buffer.pts().filter(|_| !shared.clockless)
                && let Some((running, position)) = timeline(pad, pts, &shared).zip(stream_time(pad, pts))
            {
                shared.enter(running.into());
                shared.begin(pts.into(), position.into());
            }
            let alone = pad.current_caps().is_some_and(|caps| each_alone(&caps));
            let key = alone || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
            let lost = buffer.pts().and_then(|pts| shared.lost(pts));
            // The first of a stream has nothing before it, and says so too.
            let joined = first.swap(false, Ordering::Relaxed);
            if joined {
                shared.come(buffer.pts());
            }
            // In a file a break alone says nothing: each fragment of an MP4 may begin a new segment, right after the one before.
            let missing = steps.lock().missing(buffer.dts_or_pts()) || lossy;
            let broken = !joined && buffer.flags().contains(gst::BufferFlags::DISCONT);
            let gap = lost == Some(true) || (broken && missing);
            let entering = Entering { pts: buffer.pts(), key, gap, damaged: lost.is_some() };
            let counter = match keyed.enter(entering) {
                false => &shared.without_key,
                true if keyframes_only && !key => &shared.not_key,
                true => return gst::PadProbeReturn::Ok,
            };
            Shared::count(counter);
            // What was passed over was read all the same, to the end.
            if let Some(running) = running {
                shared.reach(running.into());
            }
            gst::PadProbeReturn::Drop
        });
    }

    /// Drops what the sampling rate does not want, right where it leaves the decoder.
    fn gate(&self, pad: &gst::Pad) {
        let (shared, keyed) = (self.shared.clone(), self.keyed.clone());
        let mut gate = Gate::new(self.sampling.fps);
        gate.stated = self.sampling.stated_fps.filter(|_| shared.clockless);
        if let Some(after) = self.shared.span.as_ref().and_then(Span::after) {
            gate.sampler.wants(after);
        }
        let gate = Mutex::new(gate);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            if let Some(event) = info.event().and_then(shaped) {
                info.data = Some(gst::PadProbeData::Event(event));
            }
            gst::PadProbeReturn::Ok
        });
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            Shared::count(&shared.decoded);
            let corrupt = buffer.flags().contains(gst::BufferFlags::CORRUPTED);
            let running = buffer.pts().and_then(|pts| timeline(pad, pts, &shared));
            // The container says that it is not shown: an edit list begins after it.
            let hidden = buffer.pts().is_some() && running.is_none() && !shared.clockless;
            let whole = keyed.leave(buffer.pts(), corrupt);
            if shared.span.as_ref().is_some_and(|span| !span.wants(running.map(Into::into))) {
                return gst::PadProbeReturn::Drop;
            }
            if hidden || !whole {
                if !hidden {
                    Shared::count(if corrupt { &shared.corrupt } else { &shared.without_key });
                }
                if let Some(running) = running {
                    shared.reach(running.into());
                }
                return gst::PadProbeReturn::Drop;
            }
            let mut gate = gate.lock();
            let Some(passed) = gate.pass(running, buffer.duration(), &shared) else { return gst::PadProbeReturn::Drop };
            if let Some(pts) = passed.new_running.and_then(|running| position(pad, running, &shared)) {
                buffer.make_mut().set_pts(pts);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// From one encoded picture to the next.
#[derive(Default)]
struct Steps {
    last: Option<gst::ClockTime>,
    usual: Option<gst::ClockTime>,
}

impl Steps {
    /// Whether there is room for a picture between this one and the one before, or nobody knows.
    fn missing(&mut self, time: Option<gst::ClockTime>) -> bool {
        let Some(time) = time else { return true };
        let step = self.last.replace(time).and_then(|last| time.checked_sub(last)).filter(|step| !step.is_zero());
        let missing = step.zip(self.usual).is_none_or(|(step, usual)| step * 2 >= usual * 3);
        self.usual = self.usual.into_iter().chain(step).min();
        missing
    }
}

/// Makes running times strictly increasing and asks the sampler.
struct Gate {
    sampler: Sampler,
    /// Added to every time: grows when a file's timestamps start again.
    shift: i64,
    last: Option<i64>,
    frame: i64,
    /// Pictures a second of a stream without a clock, and how many there were.
    stated: Option<f64>,
    count: u64,
}

struct Passed {
    /// If it is not the buffer's own.
    new_running: Option<gst::ClockTime>,
}

impl Gate {
    const DEFAULT_FRAME: i64 = 40_000_000;
    /// A step back this large is a new beginning, a smaller one a frame out of order.
    const RESTART: i64 = 500_000_000;
    /// The least the types can tell apart.
    const STEP: i64 = 1_000;

    fn new(fps: f64) -> Self {
        Self { sampler: Sampler::new(fps), shift: 0, last: None, frame: Self::DEFAULT_FRAME, stated: None, count: 0 }
    }

    fn pass(&mut self, running: Option<gst::ClockTime>, duration: Option<gst::ClockTime>, shared: &Shared) -> Option<Passed> {
        if let Some(duration) = duration.filter(|d| !d.is_zero()) {
            self.frame = i64::try_from(duration.nseconds()).unwrap_or(Self::DEFAULT_FRAME);
        }
        let own = running.and_then(|running| i64::try_from(running.nseconds()).ok());
        // What was not shown had its time too.
        let counted = self.stated.map(|fps| ((self.count + shared.unseen()) as f64 / fps * 1e9) as i64);
        self.count += 1;
        let mut at = match (counted.or(own), self.last) {
            (Some(counted), _) if self.stated.is_some() => counted,
            (Some(own), _) => own.saturating_add(self.shift),
            // No timestamp: one frame after the last.
            (None, Some(last)) => last.saturating_add(self.frame),
            (None, None) => 0,
        };
        if let Some(last) = self.last {
            if at < last - Self::RESTART {
                self.shift += last + self.frame - at;
                at = last + self.frame;
                // How long it was away nobody can know.
                shared.doubt(std::time::Duration::from_nanos(at.unsigned_abs()));
            } else if at <= last {
                // Decoders deliver in the order of display: the frame is right, its timestamp is not.
                at = last + Self::STEP;
            }
        }
        self.last = Some(at);
        let running = gst::ClockTime::from_nseconds(at.unsigned_abs());
        let begin = if self.stated.is_some() { std::time::Duration::ZERO } else { running.into() };
        let first = shared.first_or(begin);
        shared.reach(running.into());
        if !self.sampler.wants(std::time::Duration::from(running).saturating_sub(first)) {
            return None;
        }
        shared.sample(running.into());
        Some(Passed { new_running: (own != Some(at)).then_some(running) })
    }
}

/// Where a timestamp lies in time: since playing began, or, where reading begins inside a file, by the file's own time.
pub(crate) fn timeline(pad: &gst::Pad, time: gst::ClockTime, shared: &Shared) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    on_timeline(segment.segment(), time, shared)
}

pub(crate) fn on_timeline(segment: &gst::Segment, time: gst::ClockTime, shared: &Shared) -> Option<gst::ClockTime> {
    let segment = segment.downcast_ref::<gst::ClockTime>()?;
    if shared.from_inside { segment.to_stream_time(time) } else { segment.to_running_time(time) }
}

/// Where a timestamp lies on the container's own line of time.
fn stream_time(pad: &gst::Pad, time: gst::ClockTime) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    segment.segment().downcast_ref::<gst::ClockTime>()?.to_stream_time(time)
}

/// Of a codec whose pictures need no others, whatever a container says.
fn each_alone(caps: &gst::Caps) -> bool {
    const ALONE: [&str; 9] = [
        "video/x-raw",
        "image/jpeg",
        "image/x-jpc",
        "image/x-j2c",
        "video/x-dv",
        "video/x-prores",
        "video/x-dnxhd",
        "video/x-huffyuv",
        "image/png",
    ];
    caps.structure(0).is_some_and(|s| ALONE.contains(&s.name().as_str()))
}

/// Pixels that are more than so many times as wide as high, or as high as wide, are a mistake of whoever wrote it.
const MOST: i32 = 4;

/// What a decoder says of its pictures, with square pixels where theirs can't be; `None` where nothing is wrong.
fn shaped(event: &gst::Event) -> Option<gst::Event> {
    let gst::EventView::Caps(caps) = event.view() else { return None };
    let mut caps = caps.caps_owned();
    let shape = caps.structure(0)?.get::<gst::Fraction>("pixel-aspect-ratio").ok()?;
    let (w, h) = (shape.numer(), shape.denom());
    if w > 0 && h > 0 && w <= h.saturating_mul(MOST) && h <= w.saturating_mul(MOST) {
        return None;
    }
    caps.make_mut().set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    Some(gst::event::Caps::new(&caps))
}

fn position(pad: &gst::Pad, time: gst::ClockTime, shared: &Shared) -> Option<gst::ClockTime> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    if shared.from_inside { segment.position_from_stream_time(time) } else { segment.position_from_running_time(time) }
}

/// The best decoder of those that are allowed, which are software. Hardware ones need surfaces, drivers and a limited number of sessions: not by accident.
fn decoder_for(caps: &gst::Caps) -> Option<gst::ElementFactory> {
    if caps.structure(0).is_some_and(|s| s.name() == "video/x-raw") {
        return gst::ElementFactory::find("identity");
    }
    let kinds = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO | gst::ElementFactoryType::MEDIA_IMAGE;
    let factories = gst::ElementFactory::factories_with_type(kinds, gst::Rank::MARGINAL);
    let best = |fits: &dyn Fn(&gst::ElementFactory) -> bool| {
        let software = factories.iter().filter(|f| allowed::decoder(&f.name()));
        software.filter(|f| fits(f)).max_by_key(|f| i32::from(f.rank())).cloned()
    };
    // All caps before any: a decoder for pictures with transparency takes "any" VP9 and then refuses most of it.
    best(&|f| f.can_sink_all_caps(caps)).or_else(|| best(&|f| f.can_sink_any_caps(caps) && !f.name().contains("alpha")))
}

/// For people.
pub(crate) fn codec_name(caps: &gst::Caps) -> String {
    // The library's own description exists for fixed caps alone.
    match caps.structure(0) {
        Some(structure) if !caps.is_fixed() => structure.name().to_string(),
        Some(_) => gstreamer_pbutils::functions::pb_utils_get_codec_description(caps).to_string(),
        None => "an unknown format".into(),
    }
}

/// For people.
pub(crate) fn container_name(caps: &gst::Caps) -> Option<String> {
    let structure = caps.structure(0)?;
    let system = structure.get::<bool>("systemstream").unwrap_or(false);
    Some(match structure.name().as_str() {
        "video/quicktime" | "audio/x-m4a" | "application/x-3gp" => "MP4".into(),
        "video/x-msvideo" => "AVI".into(),
        "video/mpeg" if system => "MPEG program stream".into(),
        "video/mpegts" => "MPEG transport stream".into(),
        "video/x-matroska" => "Matroska".into(),
        "video/webm" => "WebM".into(),
        "video/x-flv" => "Flash video".into(),
        "video/mpeg" | "video/x-h264" | "video/x-h265" | "image/jpeg" => "bare video stream".into(),
        other => other.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Option<gst::ClockTime> {
        Some(gst::ClockTime::from_mseconds(ms))
    }

    #[test]
    fn timestamps_that_start_again_go_on_after_the_last_frame() {
        let (shared, mut gate) = (Shared::default(), Gate::new(f64::INFINITY));
        let mut got = vec![];
        for at in [0, 40, 80, 4000, 0, 40, 80] {
            let passed = gate.pass(ms(at), ms(40), &shared).unwrap();
            got.push(passed.new_running.map_or(at, gst::ClockTime::mseconds));
        }
        assert_eq!(got, [0, 40, 80, 4000, 4040, 4080, 4120]);
    }

    #[test]
    fn a_break_in_a_file_hides_a_picture_only_where_there_is_room_for_one() {
        let mut steps = Steps::default();
        let missing: Vec<bool> = [0, 40, 80, 120, 160, 240, 280, 100, 140].map(|at| steps.missing(ms(at))).into();
        assert_eq!(missing, [true, true, false, false, false, true, false, true, false]);
        assert!(steps.missing(None));
    }

    proptest! {
        /// Timestamps that run forward are not ours to change, however uneven they are and whatever rate the stream claims: what
        /// passes keeps its time, so that the durations of frames add up to the wall time they took.
        #[test]
        fn frame_durations_add_up_to_the_time_that_passed(
            steps in prop::collection::vec(1u64..3_000, 2..200), claimed in 1u64..2_000, start in 0u64..10_000,
        ) {
            let (shared, mut gate) = (Shared::default(), Gate::new(f64::INFINITY));
            let mut now = start;
            let mut passed_at = vec![];
            for step in &steps {
                let passed = gate.pass(ms(now), ms(claimed), &shared).unwrap();
                prop_assert!(passed.new_running.is_none());
                passed_at.push(now);
                now += step;
            }
            let durations: u64 = passed_at.windows(2).map(|w| w[1] - w[0]).sum();
            prop_assert_eq!(durations, steps[..steps.len() - 1].iter().sum::<u64>());
            let reached = shared.reached();
            prop_assert_eq!(reached.as_millis() as u64, durations);
        }

        #[test]
        fn whatever_the_timestamps_what_passes_runs_forward(times in prop::collection::vec(prop::option::of(0u64..100_000), 1..200)) {
            let (shared, mut gate) = (Shared::default(), Gate::new(5.0));
            let mut last = None;
            for time in times {
                if let Some(passed) = gate.pass(time.and_then(ms), ms(40), &shared) {
                    let at = passed.new_running.or(time.and_then(ms));
                    prop_assert!(last < at);
                    last = at;
                }
            }
        }
    }
}
