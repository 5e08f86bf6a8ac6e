//! The elements between a source and the reader.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::{
    MediaError, Sampling, allowed,
    element::{broken, element},
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
        let mut elements = vec![convert, deinterlace, rotate];
        let mut caps = gst_video::VideoCapsBuilder::new().format_list(FORMATS);
        if let Some(height) = sampling.max_height {
            elements.push(element("videoscale")?);
            let height = i32::try_from(height.max(1)).unwrap_or(i32::MAX);
            // Square pixels, or videoscale would keep the width and squeeze the picture.
            caps = caps.height_range(1..=height).width_range(1..=i32::MAX).pixel_aspect_ratio(gst::Fraction::new(1, 1));
        }
        let sink = gst_app::AppSink::builder().caps(&caps.build()).max_buffers(WAITING).drop(live).sync(false).build();
        // The last sample would keep a decoder buffer for nobody.
        sink.set_property("enable-last-sample", false);
        sink.set_property("qos", false);
        elements.push(sink.clone().upcast());
        pipeline.add_many(&elements).map_err(broken)?;
        gst::Element::link_many(&elements).map_err(broken)?;
        let entry = elements[0].static_pad("sink").ok_or_else(|| broken("no sink pad"))?;
        let chain = Self { pipeline: pipeline.downgrade(), entry, shared: shared.clone(), sampling };
        Ok((chain, sink))
    }

    /// Takes a parsed stream: the first one with pictures is decoded, the others are left alone.
    pub(crate) fn offer(&self, pad: &gst::Pad) {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let Some(kind) = caps.structure(0).map(|s| s.name().to_string()) else { return };
        if kind.starts_with("audio/") {
            self.shared.found().sound = true;
        }
        if !(kind.starts_with("video/") || kind.starts_with("image/")) || self.entry.is_linked() {
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

    /// If only keyframes are wanted, drops what needs other pictures before anything is spent on it.
    fn watch_encoded(&self, pad: &gst::Pad) {
        let (shared, keyframes_only) = (self.shared.clone(), self.sampling.keyframes_only);
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
            if !keyframes_only {
                return gst::PadProbeReturn::Ok;
            }
            // The last keyframe may be long before the end; what was skipped after it was read all the same.
            if let Some(running) = buffer.pts().or(buffer.dts()).and_then(|time| timeline(pad, time, &shared)) {
                shared.reach(running.into());
            }
            if buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                Shared::count(&shared.not_key);
                return gst::PadProbeReturn::Drop;
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Drops what the sampling rate does not want, right where it leaves the decoder.
    fn gate(&self, pad: &gst::Pad) {
        let shared = self.shared.clone();
        let mut gate = Gate::new(self.sampling.fps);
        if let Some(after) = self.shared.span.as_ref().and_then(Span::after) {
            gate.sampler.wants(after);
        }
        let gate = Mutex::new(gate);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
            Shared::count(&shared.decoded);
            if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
                Shared::count(&shared.corrupt);
            }
            let running = buffer.pts().and_then(|pts| timeline(pad, pts, &shared));
            if shared.span.as_ref().is_some_and(|span| !span.wants(running.map(Into::into))) {
                return gst::PadProbeReturn::Drop;
            }
            let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(passed) = gate.pass(running, buffer.duration(), &shared) else { return gst::PadProbeReturn::Drop };
            if let Some(pts) = passed.new_running.and_then(|running| position(pad, running, &shared)) {
                buffer.make_mut().set_pts(pts);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

/// Makes running times strictly increasing and asks the sampler.
struct Gate {
    sampler: Sampler,
    /// Added to every time: grows when a file's timestamps start again.
    shift: i64,
    last: Option<i64>,
    frame: i64,
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
        Self { sampler: Sampler::new(fps), shift: 0, last: None, frame: Self::DEFAULT_FRAME }
    }

    fn pass(&mut self, running: Option<gst::ClockTime>, duration: Option<gst::ClockTime>, shared: &Shared) -> Option<Passed> {
        if let Some(duration) = duration.filter(|d| !d.is_zero()) {
            self.frame = i64::try_from(duration.nseconds()).unwrap_or(Self::DEFAULT_FRAME);
        }
        let own = running.and_then(|running| i64::try_from(running.nseconds()).ok());
        let mut at = match (own, self.last) {
            (Some(own), _) => own.saturating_add(self.shift),
            // No timestamp: one frame after the last.
            (None, Some(last)) => last.saturating_add(self.frame),
            (None, None) => 0,
        };
        if let Some(last) = self.last {
            if at < last - Self::RESTART {
                self.shift += last + self.frame - at;
                at = last + self.frame;
            } else if at <= last {
                // Decoders deliver in the order of display: the frame is right, its timestamp is not.
                at = last + Self::STEP;
            }
        }
        self.last = Some(at);
        let running = gst::ClockTime::from_nseconds(at.unsigned_abs());
        let first = shared.first_or(running.into());
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
