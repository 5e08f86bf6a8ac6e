//! From what a recorder's clock showed to when that was.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::{
    failure::{Failure, Outcome},
    times::BadArgument,
};

/// The zone that times in names are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Offset(FixedOffset),
    Named(Tz),
}

impl FromStr for Zone {
    type Err = BadArgument;

    fn from_str(text: &str) -> Result<Self, BadArgument> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
            return Ok(Self::Named(Tz::UTC));
        }
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        text.parse().map(Self::Named).map_err(|_| BadArgument {
            message: "that is no time zone".into(),
            hint: "write a name such as Europe/Berlin or America/New_York, or an offset from UTC such as +02:00 or Z".into(),
        })
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Named(zone) => f.write_str(zone.name()),
        }
    }
}

impl Zone {
    fn at(self, local: NaiveDateTime) -> MappedLocalTime<DateTime<Utc>> {
        match self {
            Self::Offset(offset) => local.and_local_timezone(offset).map(|time| time.to_utc()),
            Self::Named(zone) => local.and_local_timezone(zone).map(|time| time.to_utc()),
        }
    }

    /// The one time that the clock showed this at.
    pub(super) fn only(self, local: NaiveDateTime) -> Result<DateTime<Utc>, String> {
        match self.at(local) {
            MappedLocalTime::Single(time) => Ok(time),
            MappedLocalTime::None => Err(format!(
                "{local} does not exist in {self}: clocks are put forward over it; its recorder's clock goes by something else"
            )),
            MappedLocalTime::Ambiguous(first, second) => Err(twice(self, local, first, second)),
        }
    }
}

fn twice(zone: Zone, local: NaiveDateTime, first: DateTime<Utc>, second: DateTime<Utc>) -> String {
    let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    format!("{local} comes twice in {zone}: it is {} or {}, and no neighbour tells which", shown(first), shown(second))
}

/// What a name says of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    At(DateTime<Utc>),
    Local(NaiveDateTime),
}

/// A file, by what its name says.
pub(super) struct Named {
    /// Neighbours are those of the same camera.
    pub(super) camera: String,
    pub(super) begin: Said,
    pub(super) end: Option<Said>,
    pub(super) zone: Option<Zone>,
}

/// When a file begins and, if that is known, ends.
pub(super) type Span = (DateTime<Utc>, Option<DateTime<Utc>>);

/// How well two files of one recorder fit: names have whole seconds.
const FITS: TimeDelta = TimeDelta::milliseconds(2_500);

enum State {
    Known(Span),
    /// With its length, where that is known.
    Either([DateTime<Utc>; 2], Option<TimeDelta>, String),
    Fault(String),
}

/// When each file was taken. The hour that comes twice is told apart by what goes before, comes after, or can't be at the same
/// time; where nothing tells it is refused. `length`: how long a file lasts, asked only where it matters.
pub(super) fn resolve(files: &[Named], mut length: impl FnMut(usize) -> Option<Duration>) -> Vec<Result<Span, String>> {
    let mut states: Vec<State> = files.iter().enumerate().map(|(n, file)| state(file, || length(n))).collect();
    let open: Vec<usize> = (0..files.len()).filter(|n| matches!(states[*n], State::Either(..))).collect();
    // Of those around the hour the ends count as well.
    for &n in &open {
        let State::Either(at, ..) = &states[n] else { continue };
        let (from, to) = (at[0] - TimeDelta::hours(3), at[1] + TimeDelta::hours(3));
        for other in 0..files.len() {
            if let State::Known((begin, end @ None)) = &mut states[other]
                && files[other].camera == files[n].camera
                && (from..to).contains(begin)
            {
                *end = length(other).and_then(|d| begin.checked_add_signed(TimeDelta::from_std(d).ok()?));
            }
        }
    }
    loop {
        let mut changed = false;
        for &n in &open {
            let State::Either(at, length, _) = &states[n] else { continue };
            let known = || {
                let same = files.iter().zip(&states).enumerate().filter(|(m, (f, _))| *m != n && f.camera == files[n].camera);
                same.filter_map(|(_, (_, state))| if let State::Known(span) = state { Some(*span) } else { None })
            };
            let span = |begin: DateTime<Utc>| (begin, length.map(|length| begin + length));
            let joins = |begin: DateTime<Utc>| {
                let (begin, end) = span(begin);
                let near = |a: DateTime<Utc>, b: DateTime<Utc>| (a - b).abs() <= FITS;
                known().any(|(other, ends)| ends.is_some_and(|ends| near(ends, begin)) || end.is_some_and(|end| near(end, other)))
            };
            let clashes = |begin: DateTime<Utc>| {
                let (begin, end) = span(begin);
                known().any(|(other, ends)| {
                    let inside = |at: DateTime<Utc>, from: DateTime<Utc>, to: Option<DateTime<Utc>>| {
                        (at - from).abs() <= FITS || to.is_some_and(|to| at > from && at + FITS < to)
                    };
                    inside(begin, other, ends) || inside(other, begin, end)
                })
            };
            let chosen = match (joins(at[0]), joins(at[1]), clashes(at[0]), clashes(at[1])) {
                (_, _, false, true) => Some(at[0]),
                (_, _, true, false) => Some(at[1]),
                (true, false, false, false) => Some(at[0]),
                (false, true, false, false) => Some(at[1]),
                _ => None,
            };
            if let Some(begin) = chosen {
                states[n] = State::Known(span(begin));
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let told = |state| match state {
        State::Known(span) => Ok(span),
        State::Either(_, _, fault) | State::Fault(fault) => Err(fault),
    };
    states.into_iter().map(told).collect()
}

fn state(file: &Named, length: impl FnOnce() -> Option<Duration>) -> State {
    let local = match file.begin {
        Said::At(begin) => {
            let end = match file.end {
                Some(Said::At(end)) => Some(end),
                _ => None,
            };
            return State::Known((begin, end));
        }
        Said::Local(local) => local,
    };
    let Some(zone) = file.zone else {
        let what = "the time in its name has no zone: give --zone, or its camera one with `sightline camera add --zone`";
        return State::Fault(what.into());
    };
    let lasts = match file.end {
        Some(Said::Local(end)) => Some(end - local).filter(|lasts| *lasts > TimeDelta::zero()),
        _ => None,
    };
    match zone.at(local) {
        MappedLocalTime::Single(begin) => {
            // Over a change of the season the clock's difference is not how long it lasts.
            let end = match file.end {
                Some(Said::Local(end)) => zone.only(end).ok(),
                Some(Said::At(end)) => Some(end),
                None => None,
            };
            State::Known((begin, end))
        }
        MappedLocalTime::None => State::Fault(zone.only(local).err().unwrap_or_default()),
        MappedLocalTime::Ambiguous(a, b) => {
            let at = [a.min(b), a.max(b)];
            let lasts = lasts.or_else(|| TimeDelta::from_std(length()?).ok());
            State::Either(at, lasts, twice(zone, local, at[0], at[1]))
        }
    }
}

/// The fault of a file, and what to do.
pub(super) fn refused(file: &std::path::Path, fault: &str) -> Failure {
    Failure::new("no_start", format!("{}: {fault}", file.display()))
        .hint("give --zone as the recorder's clock goes (an offset if it does not follow the season), or this file's --start")
}

/// As stored.
pub(super) fn capture(file: &std::path::Path, at: DateTime<Utc>) -> Outcome<types::CaptureTime> {
    let time = types::CaptureTime::from_micros(at.timestamp_micros());
    time.map_err(|_| refused(file, "the time in its name is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    fn named(begin: &str, end: Option<&str>) -> Named {
        Named {
            camera: "gate".into(),
            begin: Said::Local(local(begin)),
            end: end.map(|end| Said::Local(local(end))),
            zone: Some("Europe/Berlin".parse().unwrap()),
        }
    }

    fn told(files: &[Named], seconds: u64) -> Vec<Result<String, String>> {
        let length = |_| Some(Duration::from_secs(seconds));
        resolve(files, length).into_iter().map(|r| r.map(|(at, _)| at.format("%H:%M:%S").to_string())).collect()
    }

    #[test]
    fn a_zone_is_a_name_or_an_offset() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let at = |zone: Zone, text: &str| zone.only(local(text)).unwrap().to_rfc3339();
        assert_eq!(at(berlin, "2026-01-15 12:00:00"), "2026-01-15T11:00:00+00:00");
        assert_eq!(at(berlin, "2026-07-15 12:00:00"), "2026-07-15T10:00:00+00:00");
        assert_eq!(at("+02:00".parse().unwrap(), "2026-01-15 12:00:00"), "2026-01-15T10:00:00+00:00");
        assert_eq!(at("utc".parse().unwrap(), "2026-01-15 12:00:00"), "2026-01-15T12:00:00+00:00");
        assert!("Berlin".parse::<Zone>().is_err() && "".parse::<Zone>().is_err());
    }

    #[test]
    fn the_hour_that_does_not_exist_is_refused_and_the_one_that_comes_twice_names_both_times() {
        let missing = &told(&[named("2026-03-29 02:30:00", None)], 600)[0];
        assert!(missing.as_ref().unwrap_err().contains("does not exist in Europe/Berlin"), "{missing:?}");
        let twice = &told(&[named("2026-10-25 02:30:00", None)], 600)[0];
        let fault = twice.as_ref().unwrap_err();
        assert!(fault.contains("2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z"), "{fault}");
    }

    #[test]
    fn neighbours_tell_the_hour_that_comes_twice_apart() {
        // Twenty minutes each, from before the change to after it: names of the second hour lie between those of the first.
        let names = ["01:45:00", "02:05:00", "02:25:00", "02:45:00", "02:05:03", "02:25:03", "02:45:03", "03:05:03"];
        let files: Vec<_> = names.iter().map(|at| named(&format!("2026-10-25 {at}"), None)).collect();
        let got: Vec<_> = told(&files, 1200).into_iter().map(Result::unwrap).collect();
        let want = ["23:45:00", "00:05:00", "00:25:00", "00:45:00", "01:05:03", "01:25:03", "01:45:03", "02:05:03"];
        assert_eq!(got, want);
        // A file of another camera says nothing.
        let mut other = vec![named("2026-10-25 01:50:00", Some("2026-10-25 01:59:00")), named("2026-10-25 02:05:00", None)];
        other[0].camera = "yard".into();
        assert!(told(&other, 60)[1].is_err());
        // What goes before and ends in the first of the two hours.
        let files = [named("2026-10-25 01:50:00", None), named("2026-10-25 02:10:00", None)];
        assert_eq!(told(&files, 1200)[1].as_deref(), Ok("00:10:00"));
        // Two at the same time can't be of one camera: the one that is left is the other.
        let files = [named("2026-10-25 01:50:00", None), named("2026-10-25 02:10:00", None), named("2026-10-25 02:10:01", None)];
        let got: Vec<_> = told(&files, 1200).into_iter().map(Result::unwrap).collect();
        assert_eq!(got, ["23:50:00", "00:10:00", "01:10:01"]);
    }
}
