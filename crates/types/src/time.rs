//! Camera time, receive time and media time are three types: mixing them up is how timelines drift.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

const US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * US;
/// 0001-01-01 and 9999-12-31: what every store and format here can hold.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800 * US..=253_402_300_799 * US;

/// Why a text or a number is not a time, or two times not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text, cut to 80 characters.
    #[error("{0:?} is not an RFC 3339 time such as 2026-03-01T08:30:00Z")]
    Format(String),
    /// The text, cut to 80 characters.
    #[error("{0:?} is not a day such as 2026-03-01")]
    Day(String),
    /// The end is not after the start.
    #[error("the window ends ({to}) before it starts ({from}) or is empty")]
    Order {
        /// The start.
        from: CaptureTime,
        /// The end.
        to: CaptureTime,
    },
    /// Before the year 1 or after 9999.
    #[error("the time lies outside the years 1 to 9999")]
    Range,
}

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(i64);

        impl $name {
            /// Microseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
            ///
            /// # Errors
            /// [`TimeError::Range`] outside these years.
            pub fn from_micros(micros: i64) -> Result<Self, TimeError> {
                RANGE.contains(&micros).then_some(Self(micros)).ok_or(TimeError::Range)
            }

            /// Microseconds since 1970-01-01T00:00:00Z.
            pub const fn as_micros(self) -> i64 {
                self.0
            }

            /// By this machine's clock.
            pub fn now() -> Self {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX).min(*RANGE.end()))
            }

            /// Clamped to the years 1 to 9999.
            #[must_use]
            pub fn plus_micros(self, micros: i64) -> Self {
                Self(self.0.saturating_add(micros).clamp(*RANGE.start(), *RANGE.end()))
            }

            /// For calendars and texts.
            pub fn to_datetime(self) -> DateTime<Utc> {
                DateTime::from_timestamp_micros(self.0).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let form = if self.0 % US == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
                f.write_str(&self.to_datetime().to_rfc3339_opts(form, true))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = TimeError;
            fn from_str(text: &str) -> Result<Self, TimeError> {
                let bad = || TimeError::Format(text.chars().take(80).collect());
                let time = DateTime::parse_from_rfc3339(text.trim()).map_err(|_| bad())?;
                Self::from_micros(time.timestamp_micros())
            }
        }

        impl TryFrom<String> for $name {
            type Error = TimeError;
            fn try_from(text: String) -> Result<Self, TimeError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(time: $name) -> String {
                time.to_string()
            }
        }
    };
}

instant!(
    /// When the light hit the sensor, as well as we know it; UTC. See [`TimeStamp`] for how well that is.
    CaptureTime
);
instant!(
    /// When this machine got it; UTC by this machine's clock.
    ReceiveTime
);

impl CaptureTime {
    /// The UTC day that it lies in.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(DAY_US) as i32)
    }
}

/// Position within a file or a stream session, from its first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MediaTime(Duration);

impl MediaTime {
    /// `since_start`: since the first frame of the file or stream session.
    pub const fn from_duration(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Since the first frame of the file or stream session.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Microseconds since the first frame; at most `i64::MAX`.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

/// Half-width of the interval in which the true capture time lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ClockUncertainty(pub Duration);

impl ClockUncertainty {
    /// Microseconds; at most `i64::MAX`.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

/// Where a capture time came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// The start time somebody gave for the footage, plus the media time.
    Given,
    /// The camera's clock, by RTCP sender reports.
    SenderReport,
    /// Our clock when the frame arrived.
    Received,
    /// The recorder's clock, as it says of each picture that it plays.
    Recorder,
}

impl TimeSource {
    /// Every source there is.
    pub const ALL: [Self; 4] = [Self::Given, Self::SenderReport, Self::Received, Self::Recorder];

    /// The stable word for programs and columns.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::SenderReport => "sender_report",
            Self::Received => "received",
            Self::Recorder => "recorder",
        }
    }

    /// The source with this word, as [`Self::as_str`] writes it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// A capture time with how well it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeStamp {
    /// The most likely time.
    pub time: CaptureTime,
    /// The true time lies at most this far before or after it.
    pub uncertainty: ClockUncertainty,
    /// Whose clock it is by.
    pub source: TimeSource,
}

/// `from <= t < to`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeWindow {
    from: CaptureTime,
    to: CaptureTime,
}

impl TimeWindow {
    /// All instants from `from` on and before `to`.
    ///
    /// # Errors
    /// [`TimeError::Order`] where `to` is not after `from`.
    pub fn new(from: CaptureTime, to: CaptureTime) -> Result<Self, TimeError> {
        if from < to { Ok(Self { from, to }) } else { Err(TimeError::Order { from, to }) }
    }

    /// The first instant inside.
    pub const fn from(&self) -> CaptureTime {
        self.from
    }

    /// The first instant after it.
    pub const fn to(&self) -> CaptureTime {
        self.to
    }

    /// From [`Self::from`] to [`Self::to`].
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.to.0.abs_diff(self.from.0))
    }

    /// Whether the instant lies inside.
    pub fn contains(&self, time: CaptureTime) -> bool {
        self.from <= time && time < self.to
    }

    /// Whether the whole of `other` lies inside.
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }

    /// What both have in common; `None`: nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to)).ok()
    }

    /// The UTC days the window touches, in order.
    pub fn days(&self) -> impl Iterator<Item = Day> + use<> {
        let last = CaptureTime(self.to.0 - 1).day();
        (self.from.day().0..=last.0).map(Day)
    }
}

/// A UTC day, as days since 1970-01-01: the unit in which sightings are kept and forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub i32);

impl Day {
    /// Midnight at its beginning, UTC; clamped to the years 1 to 9999.
    pub fn start(self) -> CaptureTime {
        CaptureTime((i64::from(self.0) * DAY_US).clamp(*RANGE.start(), *RANGE.end()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start().to_datetime().format("%Y-%m-%d"))
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Day {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| TimeError::Day(text.chars().take(80).collect()))?;
        let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
        Ok(CaptureTime::from_micros(midnight)?.day())
    }
}

impl TryFrom<String> for Day {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> CaptureTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_half_open_and_never_empty() {
        let (a, b) = (time("2026-03-01T00:00:00Z"), time("2026-03-02T00:00:00Z"));
        assert!(TimeWindow::new(a, a).is_err() && TimeWindow::new(b, a).is_err());
        let day = TimeWindow::new(a, b).unwrap();
        assert!(day.contains(a) && !day.contains(b));
        assert_eq!(day.days().map(|d| d.to_string()).collect::<Vec<_>>(), ["2026-03-01"]);
    }

    #[test]
    fn times_are_read_with_any_offset_and_shown_in_utc() {
        assert_eq!(time("2026-03-01T09:30:00.25+01:00").to_string(), "2026-03-01T08:30:00.250000Z");
        assert!("yesterday".parse::<CaptureTime>().is_err());
    }

    proptest! {
        #[test]
        fn every_time_survives_text_and_lies_in_its_day(us in RANGE) {
            let t = CaptureTime::from_micros(us).unwrap();
            prop_assert_eq!(time(&t.to_string()), t);
            prop_assert!(t.day().start() <= t);
            prop_assert_eq!(t.day().to_string().parse::<Day>().unwrap(), t.day());
        }

        #[test]
        fn covering_means_containing_every_instant(a in 0i64..100, b in 0i64..100, c in 0i64..100, d in 0i64..100) {
            let window = |x, y| TimeWindow::new(CaptureTime(x), CaptureTime(y)).ok();
            if let (Some(outer), Some(inner)) = (window(a, b), window(c, d)) {
                let all = (c..d).all(|t| outer.contains(CaptureTime(t)));
                prop_assert_eq!(outer.covers(&inner), all);
                let shared = (c..d).filter(|t| outer.contains(CaptureTime(*t))).count() as u128;
                prop_assert_eq!(outer.intersect(&inner).map_or(0, |w| w.duration().as_micros()), shared);
            }
        }
    }
}
