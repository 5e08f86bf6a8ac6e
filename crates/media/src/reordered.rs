//! Times of a stream whose frames are not sent in the order they are shown in (B-frames).
//!
//! rtpjitterbuffer makes running times of arrivals and RTP timestamps as if both ran forward together. Where they don't, what
//! it makes is up to a quarter of a second off, to and fro: frames are dated wrongly, and intervals of the sampler stay empty.
//! RTP timestamps themselves are exact. So from the first frame out of order on they are what is gone by, and of the jitter
//! buffer's times only how far they lie from those: the least of the last seconds, which follows a clock that drifts.

use std::collections::VecDeque;

use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

/// How long a distance counts: longer than from one keyframe to the next, and a clock drifts by a millisecond meanwhile.
const REMEMBERED: i64 = 10_000_000_000;
/// Distances further apart than this are another beginning: the camera counts anew.
const RESTART: i64 = 1_000_000_000;

/// Corrects the times of what leaves `pad`, RTP packets of one stream.
pub(crate) fn watch(pad: &gst::Pad) {
    let times: Mutex<Option<RtpTimes>> = Mutex::default();
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
        let mut times = times.lock();
        let rate = || pad.current_caps()?.structure(0)?.get::<i32>("clock-rate").ok().filter(|rate| *rate > 0);
        if times.is_none() {
            *times = rate().map(RtpTimes::new);
        }
        let Some(times) = times.as_mut() else { return gst::PadProbeReturn::Ok };
        let mut correct = |buffer: &mut gst::BufferRef| {
            if let Some((rtp, pts)) = rtp_timestamp(buffer).zip(buffer.pts()) {
                buffer.set_pts(times.time(rtp, pts));
            }
        };
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => correct(buffer.make_mut()),
            Some(gst::PadProbeData::BufferList(list)) => list.make_mut().foreach_mut(|mut buffer, _| {
                correct(buffer.make_mut());
                std::ops::ControlFlow::Continue(Some(buffer))
            }),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// Of the packet's header (RFC 3550, section 5.1).
fn rtp_timestamp(packet: &gst::BufferRef) -> Option<u32> {
    let mut header = [0; 8];
    packet.copy_to_slice(0, &mut header).ok()?;
    Some(u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}

#[derive(Debug)]
struct RtpTimes {
    /// Ticks a second.
    rate: i64,
    /// The newest timestamp, in ticks and unwrapped.
    newest: Option<i64>,
    out_of_order: bool,
    /// Times less timestamps, in nanoseconds, each with its timestamp; least first, and none that a later and lesser one beats.
    distances: VecDeque<(i64, i64)>,
}

impl RtpTimes {
    fn new(rate: i32) -> Self {
        Self { rate: rate.into(), newest: None, out_of_order: false, distances: VecDeque::new() }
    }

    fn time(&mut self, rtp: u32, given: gst::ClockTime) -> gst::ClockTime {
        let ticks = match self.newest {
            // The nearest of all that look like it.
            Some(newest) => newest + i64::from(rtp.wrapping_sub(newest as u32).cast_signed()),
            None => rtp.into(),
        };
        let own = i64::try_from(i128::from(ticks) * 1_000_000_000 / i128::from(self.rate)).unwrap_or(i64::MAX);
        let distance = i64::try_from(given.nseconds()).unwrap_or(i64::MAX).saturating_sub(own);
        if self.distances.back().is_some_and(|(_, last)| last.abs_diff(distance) > RESTART.unsigned_abs()) {
            self.distances.clear();
            self.newest = None;
        }
        self.out_of_order |= self.newest.is_some_and(|newest| ticks < newest);
        self.newest = self.newest.max(Some(ticks));
        while self.distances.back().is_some_and(|(_, last)| *last >= distance) {
            self.distances.pop_back();
        }
        self.distances.push_back((own, distance));
        while self.distances.front().is_some_and(|(at, _)| at.saturating_add(REMEMBERED) < own) {
            self.distances.pop_front();
        }
        match self.distances.front() {
            Some((_, least)) if self.out_of_order => {
                gst::ClockTime::from_nseconds(u64::try_from(own.saturating_add(*least)).unwrap_or_default())
            }
            _ => given,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICKS: i64 = 9_000;
    /// As x264 sends them with two B-frames, by when they are shown.
    const ORDER: [i64; 3] = [2, 0, 1];

    fn times(first: u32, given: impl Fn(i64) -> i64, frames: i64, times: &mut RtpTimes) -> Vec<i64> {
        (0..frames)
            .map(|n| {
                let shown = n / 3 * 3 + ORDER[(n % 3) as usize];
                let rtp = first.wrapping_add((shown * TICKS) as u32);
                let got = times.time(rtp, gst::ClockTime::from_mseconds(given(shown) as u64));
                got.mseconds() as i64 - shown * 100
            })
            .collect()
    }

    #[test]
    fn what_comes_in_order_is_left_alone() {
        let mut times = RtpTimes::new(90_000);
        for (rtp, given) in [(0, 70), (0, 70), (9_000, 171), (18_000, 269), (27_000, 384)] {
            let given = gst::ClockTime::from_mseconds(given);
            assert_eq!(times.time(rtp, given), given);
        }
    }

    #[test]
    fn a_clock_that_drifts_is_followed_and_a_restart_is_another_beginning() {
        let mut rtp = RtpTimes::new(90_000);
        // A hundredth too fast.
        let drifted = times(0, |shown| 500 + shown * 101, 600, &mut rtp);
        let behind = drifted.iter().enumerate().map(|(n, off)| 500 + n as i64 - off);
        assert!(behind.skip(10).all(|behind| (-10..=110).contains(&behind)), "{drifted:?}");
        let restarted = times(3_000_000_000, |shown| 70_000 + shown * 100, 30, &mut rtp);
        assert!(restarted.iter().all(|off| *off == 70_000), "{restarted:?}");
    }

    proptest! {
        #[test]
        fn frames_out_of_order_are_as_far_apart_as_their_timestamps_say(
            first: u32, noise in prop::collection::vec(0i64..250, 12),
        ) {
            let mut rtp = RtpTimes::new(90_000);
            let given = |shown: i64| 1000 + shown * 100 + noise[shown as usize % 12];
            let off = times(first, given, 60, &mut rtp);
            let least = 1000 + noise.iter().min().unwrap();
            prop_assert!(off[12..].iter().all(|o| *o == least), "{off:?} {least}");
        }
    }
}
