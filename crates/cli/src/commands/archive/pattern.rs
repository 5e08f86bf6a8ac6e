//! Where times, and the camera, stand in the name of a file or in its whole path.

use std::{path::Path, str::FromStr};

use chrono::{
    DateTime, Datelike, NaiveDateTime, NaiveTime, TimeDelta,
    format::{Item, Parsed, StrftimeItems, parse_and_remainder},
};

use super::zone::Said;
use crate::times::BadArgument;

/// In the manner of `strptime`, with `*` for anything in one name, `**` for anything, `{camera}` for the camera's name, and
/// `{end:%H%M%S}` for when the file ends. With a slash it is looked for in the whole path, otherwise in the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamePattern {
    parts: Vec<Part>,
    in_path: bool,
    /// It ends in a number: more digits are another number.
    ends_in_number: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Begin(String),
    End(String),
    /// Anything but a slash.
    Any,
    /// Anything.
    AnyDeep,
    Camera,
}

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) begin: Said,
    pub(super) end: Option<Said>,
    pub(super) camera: Option<String>,
}

/// Places that are tried for one name at most.
const MOST: usize = 200_000;

impl FromStr for NamePattern {
    type Err = BadArgument;

    fn from_str(text: &str) -> Result<Self, BadArgument> {
        let wrong = |what: String| BadArgument {
            message: what,
            hint: "write it like '%Y%m%d_%H%M%S', '%Y-%m-%d/%H/*/%M.%S', or with its end '%Y%m%d%H%M%S_{end:%Y%m%d%H%M%S}'"
                .into(),
        };
        let (mut parts, mut rest, mut run) = (Vec::new(), text, String::new());
        while let Some(c) = rest.chars().next() {
            let (part, length) = if rest.starts_with("**") {
                (Part::AnyDeep, 2)
            } else if c == '*' {
                (Part::Any, 1)
            } else if rest.starts_with("{camera}") {
                (Part::Camera, "{camera}".len())
            } else if let Some(end) = rest.strip_prefix("{end:") {
                let (inside, _) = end.split_once('}').ok_or_else(|| wrong("{end: has no }".into()))?;
                (Part::End(inside.to_owned()), "{end:}".len() + inside.len())
            } else {
                run.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            if !run.is_empty() {
                parts.push(Part::Begin(std::mem::take(&mut run)));
            }
            parts.push(part);
            rest = &rest[length..];
        }
        if !run.is_empty() {
            parts.push(Part::Begin(run));
        }
        let times: Vec<_> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Begin(text) | Part::End(text) => Some(text.as_str()),
                Part::Any | Part::AnyDeep | Part::Camera => None,
            })
            .flat_map(StrftimeItems::new)
            .collect();
        if times.iter().any(|item| matches!(item, Item::Error)) {
            return Err(wrong("the pattern has a % that means nothing".into()));
        }
        if !times.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_))) {
            return Err(wrong("the pattern has no time in it".into()));
        }
        let last = match parts.last() {
            Some(Part::Begin(text) | Part::End(text)) => StrftimeItems::new(text).last(),
            _ => None,
        };
        let ends_in_number = matches!(last, Some(Item::Numeric(..) | Item::Fixed(_)));
        Ok(Self { in_path: text.contains('/'), ends_in_number, parts })
    }
}

/// What was read so far.
#[derive(Clone, Default)]
struct Read {
    begin: Parsed,
    end: Parsed,
    has_end: bool,
    camera: Option<String>,
}

impl NamePattern {
    pub(super) fn names_camera(&self) -> bool {
        self.parts.contains(&Part::Camera)
    }

    /// What the name says, or why it says nothing.
    pub(super) fn read(&self, file: &Path) -> Result<Told, String> {
        let whole = file.to_string_lossy();
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let text = if self.in_path { whole.as_ref() } else { name.as_str() };
        let (mut found, mut steps): (Option<Told>, usize) = (None, 0);
        for (at, first) in text.char_indices() {
            let digit_before = text[..at].ends_with(|c: char| c.is_ascii_digit());
            let begins_a_name = at == 0 || text[..at].ends_with('/');
            // A camera's name is a whole one: it would be found again in each of its own ends.
            let skipped = matches!(self.parts.first(), Some(Part::Camera | Part::Any | Part::AnyDeep)) && !begins_a_name;
            if (first.is_ascii_digit() && digit_before) || skipped {
                continue;
            }
            let Some(told) = self.fits(&self.parts, &text[at..], &Read::default(), &mut steps) else { continue };
            if found.as_ref().is_some_and(|before| (before.begin, before.end) != (told.begin, told.end)) {
                return Err("the pattern fits its name at several places; say more of what stands around the time, or write \
                            {end:...} for when it ended"
                    .into());
            }
            found.get_or_insert(told);
        }
        found.ok_or_else(|| {
            let of = if self.in_path { "path" } else { "name" };
            format!("the pattern does not fit its {of}; write it like '%Y%m%d_%H%M%S', with a slash for the whole path")
        })
    }

    fn fits(&self, parts: &[Part], text: &str, read: &Read, steps: &mut usize) -> Option<Told> {
        *steps += 1;
        if *steps > MOST {
            return None;
        }
        let Some((part, rest)) = parts.split_first() else {
            let goes_on = self.ends_in_number && text.starts_with(|c: char| c.is_ascii_digit());
            return if goes_on { None } else { told(read) };
        };
        match part {
            Part::Begin(format) | Part::End(format) => {
                let mut read = read.clone();
                let parsed = if matches!(part, Part::End(_)) {
                    read.has_end = true;
                    &mut read.end
                } else {
                    &mut read.begin
                };
                let left = parse_and_remainder(parsed, text, StrftimeItems::new(format)).ok()?;
                self.fits(rest, left, &read, steps)
            }
            Part::Any | Part::AnyDeep => {
                let deep = *part == Part::AnyDeep;
                ends(text, deep).find_map(|end| self.fits(rest, &text[end..], read, steps))
            }
            Part::Camera if rest.is_empty() => {
                let end = text.find(['.', '/']).unwrap_or(text.len());
                let read = Read { camera: Some(text.get(..end)?.to_owned()).filter(|c| !c.is_empty()), ..read.clone() };
                read.camera.is_some().then(|| told(&read))?
            }
            Part::Camera => ends(text, false).filter(|end| *end > 0).find_map(|end| {
                let read = Read { camera: Some(text[..end].to_owned()), ..read.clone() };
                self.fits(rest, &text[end..], &read, steps)
            }),
        }
    }
}

/// Where something may end that begins here, the nearest first.
fn ends(text: &str, deep: bool) -> impl Iterator<Item = usize> {
    let all = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let stop = if deep { text.len() } else { text.find('/').unwrap_or(text.len()) };
    all.take_while(move |at| *at <= stop)
}

fn told(read: &Read) -> Option<Told> {
    let begin = said(&read.begin)?;
    let end = match (read.has_end, begin) {
        (false, _) => None,
        // What it does not say of the day is the day it began, or the next one.
        (true, Said::Local(begin)) if read.end.to_naive_date().is_err() => {
            let mut time = read.end.clone();
            fill(&mut time);
            let end = begin.date().and_time(time.to_naive_time().ok()?);
            Some(Said::Local(if end < begin { end.checked_add_signed(TimeDelta::days(1))? } else { end }))
        }
        (true, _) => Some(said(&read.end)?),
    };
    Some(Told { begin, end, camera: read.camera.clone() })
}

/// 1973: from then on there are nine digits.
const EARLIEST: i64 = 100_000_000;

/// A number that gives another year is no year: hours are added to times and taken from them.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=9000;

/// What is left out after the hour is zero.
fn fill(parsed: &mut Parsed) {
    if parsed.minute().is_none() {
        let _ = parsed.set_minute(0);
    }
}

fn said(parsed: &Parsed) -> Option<Said> {
    let mut parsed = parsed.clone();
    if let Some(seconds) = parsed.timestamp() {
        // What is shorter is another number.
        if seconds < EARLIEST {
            return None;
        }
        let at = DateTime::from_timestamp(seconds, parsed.nanosecond().unwrap_or_default());
        return at.filter(|at| YEARS.contains(&at.year())).map(Said::At);
    }
    fill(&mut parsed);
    if parsed.offset().is_some() {
        return parsed.to_datetime().ok().map(|time| time.to_utc()).filter(|at| YEARS.contains(&at.year())).map(Said::At);
    }
    let local = without_leap(NaiveDateTime::new(parsed.to_naive_date().ok()?, parsed.to_naive_time().ok()?));
    YEARS.contains(&local.year()).then_some(Said::Local(local))
}

/// Second 60 is the next minute: recorders write it at the end of a day.
fn without_leap(time: NaiveDateTime) -> NaiveDateTime {
    use chrono::Timelike as _;
    let over = time.nanosecond().checked_sub(1_000_000_000);
    let whole = over.and_then(|nanos| {
        let second = NaiveTime::from_hms_nano_opt(time.hour(), time.minute(), time.second(), nanos)?;
        time.date().and_time(second).checked_add_signed(TimeDelta::seconds(1))
    });
    whole.unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, path: &str) -> Result<Told, String> {
        pattern.parse::<NamePattern>().unwrap().read(Path::new(path))
    }

    fn shown(said: Said) -> String {
        match said {
            Said::At(at) => format!("{} UTC", at.naive_utc()),
            Said::Local(at) => at.to_string(),
        }
    }

    #[test]
    fn a_time_is_found_in_a_name_in_a_path_with_its_end_and_as_seconds() {
        for (pattern, path, begin, end, camera) in [
            ("%Y%m%d_%H%M%S", "/a/quay-2_20260301_093000_hd.mp4", "2026-03-01 09:30:00", None, None),
            ("%Y-%m-%dT%H-%M-%S%z", "/a/2026-03-01T09-30-00+0100.ts", "2026-03-01 08:30:00 UTC", None, None),
            ("%s", "/a/1772353800.mp4", "2026-03-01 08:30:00 UTC", None, None),
            (
                "%Y%m%d%H%M%S_{end:%Y%m%d%H%M%S}",
                "/a/ch1_20260301093000_20260301235960.mp4",
                "2026-03-01 09:30:00",
                Some("2026-03-02 00:00:00"),
                None,
            ),
            ("%Y-%m-%d/%H/{camera}/%M.%S", "/r/2026-03-01/09/gate/30.05.mp4", "2026-03-01 09:30:05", None, Some("gate")),
            (
                "%Y/%m/%d/**/%H%M%S-{end:%H%M%S}",
                "/r/2026/03/01/x/y/235000-001000.mp4",
                "2026-03-01 23:50:00",
                Some("2026-03-02 00:10:00"),
                None,
            ),
            (
                "{camera} - %m-%d-%Y, %I.%M.%S%p",
                "/r/Front Door - 2-9-2020, 11.21.12pm.mp4",
                "2020-02-09 23:21:12",
                None,
                Some("Front Door"),
            ),
            ("%Y%m%d/%H*_{camera}", "/r/20260301/09-x_yard.mp4", "2026-03-01 09:00:00", None, Some("yard")),
        ] {
            let told = read(pattern, path).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            let got = (shown(told.begin), told.end.map(shown), told.camera);
            assert_eq!(got, (begin.to_owned(), end.map(str::to_owned), camera.map(str::to_owned)), "{pattern}");
        }
    }

    #[test]
    fn what_does_not_fit_or_fits_twice_says_so_and_a_bad_pattern_is_refused() {
        let fault = |path: &str| read("%Y%m%d_%H%M%S", path).unwrap_err();
        assert!(fault("gate.mp4").contains("does not fit its name"));
        assert!(fault("20260301_0930005.mp4").contains("does not fit"), "more digits than the pattern");
        assert!(fault("20261301_093000.mp4").contains("does not fit"), "there is no 13th month");
        assert!(fault("20260301_093000-20260301_100000.mp4").contains("{end:"));
        assert!(read("%Y/%m", "x.mp4").unwrap_err().contains("does not fit its path"));
        for far in ["+262142-12-31.mp4", "0001-01-01.mp4", "-0044-03-15.mp4"] {
            assert!(read("%Y-%m-%d", far).is_err(), "{far}");
        }
        for bad in ["", "gate", "%Q", "{end:%H"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad}");
        }
        // It ends, whatever is asked.
        let long = format!("/{}", "a/".repeat(400));
        assert!(read("**a**a**a**b%Y", &long).is_err());
    }
}
