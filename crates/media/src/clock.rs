//! When a camera's frame was taken.
//!
//! Every frame has a running time, which rtspsrc's jitter buffer makes from arrival, smoothed. Our own clock at running
//! time zero turns it into a receive time, whatever waits in queues. From the first RTCP sender report on, frames also
//! carry the camera's own clock; its distance to the running time turns every frame, earlier ones included, into camera
//! time.

use std::time::Duration;

use types::{CaptureTime, ClockUncertainty, TimeSource, TimeStamp};

/// What is known of a camera's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraClock {
    /// Camera time minus receive time in microseconds: the difference of the clocks less the way the packets took.
    pub offset_micros: i64,
    /// Largest change of the offset between two frames so far, in microseconds: jumps show here.
    pub largest_jump_micros: i64,
    /// Whether frames are stamped with the camera's clock; one too far from ours is not believed.
    pub believed: bool,
    /// Half-width of the interval that the capture time of a frame lies in.
    pub uncertainty: Duration,
}

/// Capture before receipt: exposure, encoding, network. What a receive time may be wrong by, without a sender report.
const RECEIVED: Duration = Duration::from_millis(500);
/// What a sender report may be wrong by: frames were measured 2 to 8 ms from the truth.
const REPORTED: Duration = Duration::from_millis(20);
const NTP_TO_UNIX: i64 = 2_208_988_800;

#[derive(Debug)]
pub(crate) struct LiveClock {
    max_offset: i64,
    /// Camera time minus running time.
    camera: Option<i64>,
    /// Our time minus running time.
    ours: i64,
    largest_jump: i64,
}

impl LiveClock {
    pub(crate) fn new(max_offset: Duration, ours: i64) -> Self {
        Self { max_offset: i64::try_from(max_offset.as_micros()).unwrap_or(i64::MAX), camera: None, ours, largest_jump: 0 }
    }

    /// Our clock now (microseconds since 1970) and the pipeline's running time now.
    pub(crate) fn ours_is(&mut self, now: i64, running: Duration) {
        self.ours = now - micros(running);
    }

    /// A frame of this running time carries this camera time, in nanoseconds since 1900.
    pub(crate) fn report(&mut self, running: Duration, ntp_nanos: u64) {
        let unix = i64::try_from(ntp_nanos / 1000).unwrap_or(i64::MAX) - NTP_TO_UNIX * 1_000_000;
        let camera = unix.saturating_sub(micros(running));
        if let Some(before) = self.camera {
            self.largest_jump = self.largest_jump.max(camera.saturating_sub(before).saturating_abs());
        }
        self.camera = Some(camera);
    }

    pub(crate) fn stamp(&self, running: Duration) -> TimeStamp {
        let stamp = |zero: i64, uncertainty, source| TimeStamp {
            time: capture_time(zero.saturating_add(micros(running))),
            uncertainty: ClockUncertainty(uncertainty),
            source,
        };
        match (self.camera, self.known()) {
            (Some(camera), Some(known)) if known.believed => stamp(camera, known.uncertainty, TimeSource::SenderReport),
            _ => stamp(self.ours, RECEIVED, TimeSource::Received),
        }
    }

    pub(crate) fn known(&self) -> Option<CameraClock> {
        let offset_micros = self.camera?.saturating_sub(self.ours);
        let believed = offset_micros.saturating_abs() <= self.max_offset;
        // The two clocks disagree by the offset and nobody can say which is right.
        let uncertainty = if believed { REPORTED + Duration::from_micros(offset_micros.unsigned_abs()) } else { RECEIVED };
        Some(CameraClock { offset_micros, largest_jump_micros: self.largest_jump, believed, uncertainty })
    }
}

/// Clamped to the years the types allow.
fn capture_time(micros: i64) -> CaptureTime {
    let beyond = |_| CaptureTime::now().plus_micros(if micros < 0 { i64::MIN } else { i64::MAX });
    CaptureTime::from_micros(micros).unwrap_or_else(beyond)
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;

    fn ntp(unix_micros: i64) -> u64 {
        ((unix_micros + NTP_TO_UNIX * 1_000_000) * 1000) as u64
    }

    fn clock() -> LiveClock {
        let mut clock = LiveClock::new(Duration::from_secs(5), 0);
        clock.ours_is(NOW, Duration::from_secs(10));
        clock
    }

    #[test]
    fn frames_before_the_first_sender_report_get_the_time_they_arrived() {
        let stamp = clock().stamp(Duration::from_secs(4));
        assert_eq!((stamp.time.as_micros(), stamp.source), (NOW - 6_000_000, TimeSource::Received));
        assert_eq!(stamp.uncertainty.0, RECEIVED);
    }

    #[test]
    fn a_sender_report_dates_the_frames_before_it_too() {
        let mut clock = clock();
        clock.report(Duration::from_secs(9), ntp(NOW - 1_100_000));
        let stamp = clock.stamp(Duration::from_secs(4));
        assert_eq!((stamp.time.as_micros(), stamp.source), (NOW - 6_100_000, TimeSource::SenderReport));
        assert_eq!(stamp.uncertainty.0, REPORTED + Duration::from_millis(100));
        assert_eq!(clock.known().unwrap().offset_micros, -100_000);
    }

    #[test]
    fn a_camera_clock_that_jumps_by_an_hour_is_shown_and_not_believed() {
        let mut clock = clock();
        clock.report(Duration::from_secs(9), ntp(NOW - 1_000_000));
        clock.report(Duration::from_secs(10), ntp(NOW + 3_600_000_000));
        let known = clock.known().unwrap();
        assert!(!known.believed && known.largest_jump_micros == 3_600_000_000, "{known:?}");
        let stamp = clock.stamp(Duration::from_secs(10));
        assert_eq!((stamp.time.as_micros(), stamp.source), (NOW, TimeSource::Received));
    }

    proptest! {
        /// A clock that drifts, jumps or lies: no frame is dated further from its arrival than the bound, and how far the two
        /// clocks are apart is part of how sure the date is.
        #[test]
        fn whatever_a_cameras_clock_says_frames_are_dated_within_the_bound_and_the_doubt_covers_it(
            reports in prop::collection::vec((0u64..100_000, -20_000_000i64..20_000_000), 1..40), at in 0u64..100_000,
            bound in 1u64..10,
        ) {
            let mut clock = LiveClock::new(Duration::from_secs(bound), 0);
            clock.ours_is(NOW, Duration::from_secs(100));
            let arrived = |running: Duration| NOW - 100_000_000 + micros(running);
            for (running, offset) in reports {
                let running = Duration::from_millis(running);
                clock.report(running, ntp(arrived(running) + offset));
                let known = clock.known().unwrap();
                prop_assert_eq!(known.offset_micros, offset);
                let running = Duration::from_millis(at);
                let stamp = clock.stamp(running);
                let off = (stamp.time.as_micros() - arrived(running)).unsigned_abs();
                prop_assert!(off <= bound * 1_000_000, "{off}");
                prop_assert!(stamp.uncertainty.0 >= Duration::from_micros(off));
                prop_assert_eq!(stamp.uncertainty.0, known.uncertainty);
                prop_assert_eq!(stamp.source == TimeSource::SenderReport, known.believed);
            }
        }
    }

    #[test]
    fn a_camera_that_counts_from_1900_or_beyond_the_years_does_not_panic() {
        for ntp in [0, 1, u64::MAX] {
            let mut clock = clock();
            clock.report(Duration::MAX, ntp);
            assert_eq!(clock.stamp(Duration::from_secs(1)).source, TimeSource::Received);
        }
    }
}
