//! Times as people type and read them.

use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime};
use prost_types::Timestamp;
use types::CaptureTime;

/// An argument that can't be read, and how to write it. `args` prints the hint on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct BadArgument {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// RFC 3339 with its zone. A time without one is refused: guessing the zone would put sightings hours away from where
/// they were, and nobody would notice.
pub(crate) fn parse_time(text: &str) -> Result<CaptureTime, BadArgument> {
    let text = text.trim();
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let bad = |message: &str, hint: String| Err(BadArgument { message: message.into(), hint });
    let date_time = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    if let Some(t) = date_time {
        let t = t.format("%Y-%m-%dT%H:%M:%S");
        return bad("the time has no zone", format!("write {t}Z for UTC, or the camera's offset: {t}+02:00"));
    }
    if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return bad("that is a day, not a time", format!("write {text}T00:00:00Z for its start in UTC"));
    }
    bad("that is not an RFC 3339 time", "write it like 2026-03-01T08:30:00Z or 2026-03-01T10:30:00+02:00".into())
}

/// `90`, `90s`, `15m`, `36h`, `30d`: seconds unless a unit follows.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, BadArgument> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => Some(1.0),
        "ms" => Some(1e-3),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let value = number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    value.zip(seconds).and_then(|(n, s)| Duration::try_from_secs_f64(n * s).ok()).ok_or_else(|| BadArgument {
        message: "that is not a duration".into(),
        hint: "write a number and a unit: 500ms, 90s, 15m, 36h or 30d".into(),
    })
}

/// A time of the wire for JSON and for people; `None` when it is absent or no time.
pub(crate) fn json(time: Option<Timestamp>) -> Option<String> {
    proto::capture_time("time", time).ok().map(|t| t.to_string())
}

/// For people: without the digits nobody reads, cut and never rounded up.
pub(crate) fn short(time: &str, digits: usize) -> String {
    let Some((whole, rest)) = time.split_once('.') else { return time.to_owned() };
    let (fraction, zone) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    match fraction.get(..digits).unwrap_or(fraction) {
        "" => format!("{whole}{zone}"),
        fraction => format!("{whole}.{fraction}{zone}"),
    }
}

pub(crate) fn seconds(duration: Option<prost_types::Duration>) -> Option<f64> {
    proto::duration_from("duration", duration).ok().flatten().map(|d| d.as_secs_f64())
}

/// "1.2 s", "4 min 10 s", "3 h 5 min", "30 days".
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() < 1000 && duration.as_millis() > 0 => format!("{} ms", duration.as_millis()),
        0..60 => format!("{:.1} s", duration.as_secs_f64()).replace(".0 s", " s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_without_zone_is_refused_and_the_hint_shows_how_to_write_it() {
        for text in ["2026-03-01T08:30:00", "2026-03-01 08:30", "2026-03-01T08:30"] {
            let bad = parse_time(text).unwrap_err();
            assert_eq!(bad.message, "the time has no zone", "{text}");
            assert!(bad.hint.contains("2026-03-01T08:30:00Z"), "{}", bad.hint);
        }
        assert!(parse_time("2026-03-01").unwrap_err().hint.contains("2026-03-01T00:00:00Z"));
        assert!(parse_time("yesterday").unwrap_err().hint.contains("RFC") || parse_time("").is_err());
    }

    #[test]
    fn an_offset_is_taken_into_account() {
        assert_eq!(parse_time("2026-03-01T10:30:00+02:00").unwrap().to_string(), "2026-03-01T08:30:00Z");
    }

    #[test]
    fn durations_have_units_and_are_never_negative() {
        assert_eq!(parse_duration("90").unwrap().as_secs(), 90);
        assert_eq!(parse_duration("1.5h").unwrap().as_secs(), 5400);
        assert_eq!(parse_duration("250ms").unwrap().as_millis(), 250);
        for bad in ["", "-1s", "1 week", "NaN", "inf", "1e300d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_short_time_is_cut_and_keeps_its_zone() {
        assert_eq!(short("2026-03-01T08:30:00.583999Z", 2), "2026-03-01T08:30:00.58Z");
        assert_eq!(short("2026-03-01T08:30:00.583999+02:00", 0), "2026-03-01T08:30:00+02:00");
        assert_eq!(short("2026-03-01T08:30:00Z", 2), "2026-03-01T08:30:00Z");
        assert_eq!(short("unknown", 2), "unknown");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_time(&text);
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_shown_can_be_typed_again(us in 0..4_000_000_000_000_000i64) {
            let time = CaptureTime::from_micros(us).unwrap();
            prop_assert_eq!(parse_time(&time.to_string()).unwrap(), time);
        }
    }
}
