use std::time::Duration;

use prost_types::Timestamp;
use types::{CaptureTime, ClockUncertainty, TimeSource, TimeStamp};

use crate::{BadMessage, v1};

const US: i64 = 1_000_000;

pub fn timestamp(time: CaptureTime) -> Timestamp {
    let us = time.as_micros();
    Timestamp { seconds: us.div_euclid(US), nanos: (us.rem_euclid(US) * 1000) as i32 }
}

/// To the microsecond, rounded down.
pub fn capture_time(field: &'static str, time: Option<Timestamp>) -> Result<CaptureTime, BadMessage> {
    let time = time.ok_or(BadMessage::Missing { field })?;
    let bad = BadMessage::Time { field };
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(bad);
    }
    let us = time.seconds.checked_mul(US).and_then(|s| s.checked_add(i64::from(time.nanos / 1000)));
    us.and_then(|us| CaptureTime::from_micros(us).ok()).ok_or(bad)
}

/// Longer than 292 billion years is cut.
pub fn duration(d: Duration) -> prost_types::Duration {
    prost_types::Duration { seconds: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), nanos: d.subsec_nanos() as i32 }
}

/// `None` stays `None`; a negative or malformed one is an error.
pub fn duration_from(field: &'static str, d: Option<prost_types::Duration>) -> Result<Option<Duration>, BadMessage> {
    let Some(d) = d else { return Ok(None) };
    match (u64::try_from(d.seconds), u32::try_from(d.nanos)) {
        (Ok(s), Ok(n)) if n < 1_000_000_000 => Ok(Some(Duration::new(s, n))),
        _ => Err(BadMessage::Duration { field }),
    }
}

impl From<TimeSource> for v1::TimeSource {
    fn from(source: TimeSource) -> Self {
        match source {
            TimeSource::Given => Self::Given,
            TimeSource::SenderReport => Self::SenderReport,
            TimeSource::Received => Self::Received,
            TimeSource::Recorder => Self::Recorder,
        }
    }
}

impl From<TimeStamp> for v1::CaptureTime {
    fn from(t: TimeStamp) -> Self {
        Self {
            time: Some(timestamp(t.time)),
            uncertainty: Some(duration(t.uncertainty.0)),
            source: v1::TimeSource::from(t.source).into(),
        }
    }
}

impl TryFrom<v1::CaptureTime> for TimeStamp {
    type Error = BadMessage;
    fn try_from(t: v1::CaptureTime) -> Result<Self, BadMessage> {
        let source = match v1::TimeSource::try_from(t.source) {
            Ok(v1::TimeSource::Given) => TimeSource::Given,
            Ok(v1::TimeSource::SenderReport) => TimeSource::SenderReport,
            Ok(v1::TimeSource::Received) => TimeSource::Received,
            Ok(v1::TimeSource::Recorder) => TimeSource::Recorder,
            _ => return Err(BadMessage::Word { field: "source", kind: "time source", value: t.source }),
        };
        let uncertainty = ClockUncertainty(duration_from("uncertainty", t.uncertainty)?.unwrap_or_default());
        Ok(Self { time: capture_time("time", t.time)?, uncertainty, source })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_time_survives_the_wire(us in -62_135_596_800 * US..=253_402_300_799 * US) {
            let time = CaptureTime::from_micros(us).unwrap();
            prop_assert_eq!(capture_time("t", Some(timestamp(time))), Ok(time));
        }

        #[test]
        fn no_timestamp_or_duration_panics(seconds: i64, nanos: i32) {
            let _ = capture_time("t", Some(Timestamp { seconds, nanos }));
            if let Ok(Some(d)) = duration_from("d", Some(prost_types::Duration { seconds, nanos })) {
                prop_assert_eq!(duration(d), prost_types::Duration { seconds, nanos });
            }
        }
    }
}
