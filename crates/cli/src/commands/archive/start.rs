//! When the first frame of each file was taken.

use std::{path::Path, time::Duration};

use chrono::{DateTime, FixedOffset, NaiveDateTime, SubsecRound as _, Utc};
use types::CaptureTime;

use crate::{
    failure::{Failure, Outcome, library},
    times::{BadArgument, parse_time},
};

/// `--start`: a time, or what the file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    At(CaptureTime),
    Metadata,
}

pub(crate) fn parse_start(text: &str) -> Result<Start, BadArgument> {
    if text.trim() == "metadata" { Ok(Start::Metadata) } else { parse_time(text).map(Start::At) }
}

/// An offset from UTC.
pub(crate) fn parse_zone(text: &str) -> Result<FixedOffset, BadArgument> {
    let zone =
        if text.trim().eq_ignore_ascii_case("z") || text.trim().eq_ignore_ascii_case("utc") { "+00:00" } else { text.trim() };
    zone.parse().map_err(|_| BadArgument {
        message: "that is not an offset from UTC".into(),
        hint: "write it like +02:00 or Z; names of zones are not taken, since they change with the season".into(),
    })
}

/// The time a recorder wrote into the container.
pub(super) fn of_metadata(file: &Path) -> Outcome<CaptureTime> {
    let hint = "give --start, or --start-pattern if the name tells";
    let time = media::recorded(file).map_err(|e| library("unreadable", &e).hint(hint))?;
    time.ok_or_else(|| Failure::new("no_start", format!("{} does not say when it was recorded", file.display())).hint(hint))
}

/// The time in the file's name, by a pattern in the manner of `strptime`, wherever it stands in the name.
pub(super) fn of_name(file: &Path, pattern: &str, zone: Option<FixedOffset>) -> Outcome<CaptureTime> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let refuse = |what: &str, hint: &str| Err(Failure::new("no_start", format!("{}: {what}", file.display())).hint(hint));
    let mut found: Option<DateTime<Utc>> = None;
    for (at, first) in name.char_indices() {
        let digit_before = name[..at].ends_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() && digit_before {
            continue;
        }
        let Some((time, rest)) = at_the_beginning(&name[at..], pattern, zone) else { continue };
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        if found.is_some_and(|before| before != time) {
            return refuse("the pattern fits its name at several places", "say more of what stands around the time");
        }
        found = Some(time);
    }
    let Some(time) = found else {
        return refuse("the pattern does not fit its name", "write it like '%Y%m%d_%H%M%S', and --zone unless it has %z");
    };
    let text = time.trunc_subsecs(6).to_rfc3339();
    text.parse().or_else(|_| refuse("the time in its name is out of range", "check the pattern"))
}

fn at_the_beginning<'a>(text: &'a str, pattern: &str, zone: Option<FixedOffset>) -> Option<(DateTime<Utc>, &'a str)> {
    match zone {
        Some(zone) => {
            let (time, rest) = NaiveDateTime::parse_and_remainder(text, pattern).ok()?;
            Some((time.and_local_timezone(zone).single()?.to_utc(), rest))
        }
        None => DateTime::parse_and_remainder(text, pattern).ok().map(|(time, rest)| (time.to_utc(), rest)),
    }
}

/// How far off a time in a container may be, where nobody said: some recorders write when they began, some when they ended.
pub(super) const METADATA_UNCERTAINTY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, pattern: &str, zone: Option<&str>) -> Outcome<String> {
        let zone = zone.map(|z| parse_zone(z).unwrap());
        of_name(Path::new(name), pattern, zone).map(|t| t.to_string())
    }

    #[test]
    fn a_time_is_found_wherever_it_stands_in_a_name() {
        for name in ["/a/20260301_093000.mp4", "/a/quay-2_20260301_093000_hd.mp4", "/20250101_000000/7-20260301_093000.mkv"] {
            assert_eq!(named(name, "%Y%m%d_%H%M%S", Some("+01:00")).unwrap(), "2026-03-01T08:30:00Z", "{name}");
        }
        assert_eq!(named("2026-03-01T09-30-00+0100.ts", "%Y-%m-%dT%H-%M-%S%z", None).unwrap(), "2026-03-01T08:30:00Z");
    }

    #[test]
    fn a_name_that_tells_no_time_or_several_is_refused() {
        let code = |name: &str| named(name, "%Y%m%d_%H%M%S", Some("Z")).unwrap_err().message;
        assert!(code("gate.mp4").contains("does not fit"));
        assert!(code("20260301_0930005.mp4").contains("does not fit"), "more digits than the pattern");
        assert!(code("20260301_093000-20260301_100000.mp4").contains("several places"));
        assert!(code("20261301_093000.mp4").contains("does not fit"), "there is no 13th month");
        assert!(named("20260301_093000.mp4", "%Y%m%d_%H%M%S", None).is_err(), "a time without a zone");
        assert!(parse_zone("Europe/Berlin").is_err());
    }
}
