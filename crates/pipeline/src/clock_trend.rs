//! How a camera's clock drifts against ours, from how far it was off every ten minutes of the last day.

use std::{collections::VecDeque, time::Duration};

const EVERY: Duration = Duration::from_secs(600);
/// Of a day.
const MOST: usize = 145;
/// The way of the packets takes tens of milliseconds more or less, so less time says nothing.
const LEAST: Duration = Duration::from_secs(3_600);
/// A clock that is off by so much more or less than ten minutes before was set, by hand or by NTP: what came before says nothing
/// about what comes.
const SET_US: u64 = 1_000_000;

/// How a camera's clock drifts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockDrift {
    /// How much further ahead it is after an hour, in microseconds; negative: it falls behind.
    pub micros_per_hour: f64,
    /// How long it was followed, at least an hour.
    pub over: Duration,
}

/// What a camera's clock was off by, of one camera over all of its connections.
#[derive(Debug, Default)]
pub(crate) struct ClockTrend {
    /// How long it had been watched, and by how many microseconds it was off.
    readings: VecDeque<(Duration, i64)>,
    drift: Option<ClockDrift>,
}

impl ClockTrend {
    /// Takes a reading, of which one in ten minutes counts. `at`: how long the camera has been watched.
    pub(crate) fn note(&mut self, at: Duration, offset_micros: i64) {
        if let Some((last, off)) = self.readings.back() {
            if at.saturating_sub(*last) < EVERY {
                return;
            }
            if offset_micros.abs_diff(*off) > SET_US {
                self.readings.clear();
            }
        }
        self.readings.push_back((at, offset_micros));
        if self.readings.len() > MOST {
            self.readings.pop_front();
        }
        self.drift = self.measured();
    }

    /// `None` before an hour has passed since the clock was last set.
    pub(crate) fn drift(&self) -> Option<ClockDrift> {
        self.drift
    }

    /// The median of the slopes between any two readings (Theil 1950, Sen 1968): a few bad readings do not turn it.
    fn measured(&self) -> Option<ClockDrift> {
        let over = self.readings.back()?.0.saturating_sub(self.readings.front()?.0);
        if over < LEAST {
            return None;
        }
        let slope = |a: &(Duration, i64), b: &(Duration, i64)| {
            let hours = b.0.saturating_sub(a.0).as_secs_f64() / 3_600.0;
            (b.1.saturating_sub(a.1)) as f64 / hours
        };
        let mut slopes: Vec<f64> = (self.readings.iter().enumerate())
            .flat_map(|(n, a)| self.readings.iter().skip(n + 1).map(move |b| slope(a, b)))
            .collect();
        slopes.sort_unstable_by(f64::total_cmp);
        Some(ClockDrift { micros_per_hour: *slopes.get(slopes.len() / 2)?, over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(trend: &mut ClockTrend, minutes: std::ops::Range<i64>, offset: impl Fn(i64) -> i64) {
        for minute in minutes {
            trend.note(Duration::from_secs(minute.unsigned_abs() * 60), offset(minute));
        }
    }

    #[test]
    fn a_clock_that_gains_is_told_after_an_hour_and_one_bad_reading_changes_nothing() {
        let mut trend = ClockTrend::default();
        // A tenth of a second an hour, and some jitter of the network.
        let gains = |minute: i64| minute * 100_000 / 60 + minute % 7 * 2_000 + if minute == 120 { 900_000 } else { 0 };
        after(&mut trend, 0..60, gains);
        assert_eq!(trend.drift(), None);
        after(&mut trend, 60..600, gains);
        let drift = trend.drift().unwrap();
        assert!((drift.micros_per_hour - 100_000.0).abs() < 5_000.0, "{drift:?}");
        assert_eq!(drift.over, Duration::from_secs(590 * 60));
    }

    #[test]
    fn a_clock_that_was_set_is_followed_anew() {
        let mut trend = ClockTrend::default();
        after(&mut trend, 0..120, |minute| minute * 10_000);
        assert!(trend.drift().is_some());
        after(&mut trend, 120..170, |_| -5_000_000);
        assert_eq!(trend.drift(), None);
        after(&mut trend, 170..200, |_| -5_000_000);
        assert_eq!(trend.drift().unwrap().micros_per_hour, 0.0);
    }

    #[test]
    fn no_more_than_a_day_is_kept_whatever_times_come() {
        let mut trend = ClockTrend::default();
        after(&mut trend, 0..5_000, |minute| minute * 100);
        assert_eq!(trend.readings.len(), MOST);
        trend.note(Duration::MAX, i64::MAX);
        trend.note(Duration::ZERO, i64::MIN);
    }
}
