use std::{collections::BTreeMap, time::Duration};

use types::{CameraId, ReceiveTime};

use crate::CameraPolicy;

const DAY_US: i64 = 86_400 * 1_000_000;

/// How long sightings live, by the deployment; what a camera's owner says goes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Where the owner says nothing.
    pub default: Duration,
    /// The longest that a legal hold may last.
    pub longest_hold: Duration,
    /// How late a deletion may be before it counts as overdue.
    pub grace: Duration,
}

impl Retention {
    /// How long the sightings of a camera live.
    pub fn of(&self, policy: &CameraPolicy) -> Schedule {
        let lives = policy.retention_seconds.map_or(self.default, Duration::from_secs);
        Schedule(i64::try_from(lives.as_micros()).unwrap_or(i64::MAX))
    }

    /// For each camera, the time before which what was stored has come to its end.
    pub fn cutoffs<'a>(
        &self,
        cameras: impl IntoIterator<Item = (&'a CameraId, &'a CameraPolicy)>,
        now: ReceiveTime,
    ) -> BTreeMap<CameraId, ReceiveTime> {
        cameras.into_iter().map(|(id, policy)| (id.clone(), self.of(policy).cutoff(now))).collect()
    }
}

/// When a camera's sightings come to their end, counted from when the server stored them and by its own clock: a camera's
/// may be years off, and footage that is added late would be gone before anybody could search it.
///
/// A day or more is counted from the end of the UTC day of storing, so that what one day brought goes together and an index
/// is rewritten once a day at most. Less than a day is counted from the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule(i64);

impl Schedule {
    /// The first moment at which a sighting stored then may not be there any more.
    pub fn ends(self, stored: ReceiveTime) -> ReceiveTime {
        let from = if self.0 < DAY_US { stored } else { day_start(stored).plus_micros(DAY_US) };
        from.plus_micros(self.0)
    }

    /// What was stored before this has come to its end: exactly what [`Self::ends`] at `now` or earlier.
    pub fn cutoff(self, now: ReceiveTime) -> ReceiveTime {
        let back = now.plus_micros(self.0.saturating_neg());
        if self.0 < DAY_US { back.plus_micros(1) } else { day_start(back) }
    }
}

fn day_start(time: ReceiveTime) -> ReceiveTime {
    time.plus_micros(-time.as_micros().rem_euclid(DAY_US))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(us: i64) -> ReceiveTime {
        ReceiveTime::from_micros(us).unwrap()
    }

    fn schedule(seconds: Option<u64>) -> Schedule {
        let retention = Retention {
            default: Duration::from_secs(30 * 86_400),
            longest_hold: Duration::from_secs(1),
            grace: Duration::from_secs(1),
        };
        retention.of(&CameraPolicy { retention_seconds: seconds, ..CameraPolicy::default() })
    }

    #[test]
    fn a_day_or_more_is_counted_from_the_end_of_the_day_and_less_from_the_moment() {
        let noon: ReceiveTime = "2026-03-01T12:00:00Z".parse().unwrap();
        for (seconds, ends) in
            [(Some(3600), "2026-03-01T13:00:00Z"), (Some(86_400), "2026-03-03T00:00:00Z"), (None, "2026-04-01T00:00:00Z")]
        {
            assert_eq!(schedule(seconds).ends(noon).to_string(), ends);
        }
    }

    proptest! {
        #[test]
        fn what_was_stored_before_the_cutoff_is_what_has_ended_and_nothing_else(
            seconds in prop_oneof![Just(1u64), 1..200_000u64, 1..100_000_000u64],
            stored in 1_700_000_000_000_000..1_900_000_000_000_000i64,
            offset in -2_000_000_000_000..2_000_000_000_000i64,
        ) {
            let schedule = schedule(Some(seconds));
            let ends = schedule.ends(at(stored));
            for now in [ends, ends.plus_micros(-1), ends.plus_micros(offset)] {
                prop_assert_eq!(at(stored) < schedule.cutoff(now), ends <= now);
            }
            // Never early, and at most a day late.
            let lived = ends.as_micros() - stored;
            let asked = i64::try_from(seconds).unwrap() * 1_000_000;
            prop_assert!(lived >= asked && lived <= asked + DAY_US);
        }

        #[test]
        fn a_shorter_retention_never_ends_later(a in 1..10_000_000u64, b in 1..10_000_000u64, stored in 0..1_900_000_000_000_000i64) {
            let (short, long) = (a.min(b), a.max(b));
            prop_assert!(schedule(Some(short)).ends(at(stored)) <= schedule(Some(long)).ends(at(stored)));
        }
    }
}
