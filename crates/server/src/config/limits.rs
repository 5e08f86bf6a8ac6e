//! The sections about callers and cases. Their defaults are the strictest that still let people work.

use std::{ops::RangeInclusive, time::Duration};

use access::{Budgets, Limits, Purpose, Retention};
use serde::Deserialize;

use super::error::ConfigError;

/// What one caller may do, over all of their connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CallerLimits {
    /// Calls, in the long run.
    pub calls_per_second: f64,
    /// Calls that may come at once after a pause.
    pub burst: u32,
    /// Calls under way, streams included.
    pub at_once: u32,
    /// Connections open.
    pub connections: u32,
}

/// Makes the error for a key, its value and what is wrong with it.
pub(super) trait Bad: Fn(&'static str, String, &'static str) -> ConfigError {}
impl<F: Fn(&'static str, String, &'static str) -> ConfigError> Bad for F {}

fn whole(
    bad: &impl Bad,
    key: &'static str,
    value: i64,
    range: RangeInclusive<i64>,
    fault: &'static str,
) -> Result<u32, ConfigError> {
    match u32::try_from(value) {
        Ok(number) if range.contains(&value) => Ok(number),
        _ => Err(bad(key, value.to_string(), fault)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallerKeys {
    calls_per_second: f64,
    burst: i64,
    at_once: i64,
    connections: i64,
}

impl Default for CallerKeys {
    fn default() -> Self {
        Self { calls_per_second: 50.0, burst: 200, at_once: 32, connections: 32 }
    }
}

impl CallerKeys {
    pub(super) fn validate(&self, bad: &impl Bad) -> Result<CallerLimits, ConfigError> {
        if !(0.1..=1e6).contains(&self.calls_per_second) {
            let value = self.calls_per_second.to_string();
            return Err(bad("callers.calls_per_second", value, "is not between 0.1 and 1000000"));
        }
        let fault = "is not between 1 and 1000000";
        Ok(CallerLimits {
            calls_per_second: self.calls_per_second,
            burst: whole(bad, "callers.burst", self.burst, 1..=1_000_000, fault)?,
            at_once: whole(bad, "callers.at_once", self.at_once, 1..=1_000_000, fault)?,
            connections: whole(bad, "callers.connections", self.connections, 1..=1_000_000, fault)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetentionKeys {
    default_days: i64,
    sweep_minutes: i64,
    overdue_hours: i64,
    hold_days: i64,
    clock_leap_days: i64,
}

impl Default for RetentionKeys {
    fn default() -> Self {
        Self { default_days: 30, sweep_minutes: 15, overdue_hours: 24, hold_days: 90, clock_leap_days: 7 }
    }
}

impl RetentionKeys {
    pub(super) fn validate(&self, bad: &impl Bad) -> Result<Retention, ConfigError> {
        let times = |seconds: u64, n: u32| Duration::from_secs(seconds * u64::from(n));
        let year = "is not between 1 and 366";
        Ok(Retention {
            default: times(86_400, whole(bad, "retention.default_days", self.default_days, 1..=366, year)?),
            longest_hold: times(86_400, whole(bad, "retention.hold_days", self.hold_days, 1..=366, year)?),
            grace: times(3600, whole(bad, "retention.overdue_hours", self.overdue_hours, 1..=720, "is not between 1 and 720")?),
        })
    }

    pub(super) fn sweep(&self, bad: &impl Bad) -> Result<Duration, ConfigError> {
        let minutes = whole(bad, "retention.sweep_minutes", self.sweep_minutes, 1..=1440, "is not between 1 and 1440")?;
        Ok(Duration::from_secs(u64::from(minutes) * 60))
    }

    pub(super) fn clock_leap(&self, bad: &impl Bad) -> Result<Duration, ConfigError> {
        let days = whole(bad, "retention.clock_leap_days", self.clock_leap_days, 1..=3660, "is not between 1 and 3660")?;
        Ok(Duration::from_secs(u64::from(days) * 86_400))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CaseKeys {
    pub(super) same_organisation: bool,
    emergency_hours: i64,
    emergencies_a_day: i64,
    waiting_cases: i64,
    signatures: Vec<String>,
}

impl Default for CaseKeys {
    fn default() -> Self {
        let signatures = vec!["key".to_owned()];
        Self { same_organisation: false, emergency_hours: 24, emergencies_a_day: 3, waiting_cases: 20, signatures }
    }
}

impl CaseKeys {
    pub(super) fn emergency(&self, bad: &impl Bad) -> Result<Option<Duration>, ConfigError> {
        let hours = whole(bad, "cases.emergency_hours", self.emergency_hours, 0..=24, "is not between 0 (never) and 24")?;
        Ok((hours > 0).then(|| Duration::from_secs(u64::from(hours) * 3600)))
    }

    pub(super) fn emergencies_a_day(&self, bad: &impl Bad) -> Result<u32, ConfigError> {
        whole(bad, "cases.emergencies_a_day", self.emergencies_a_day, 1..=100, "is not between 1 and 100")
    }

    /// Whether passkeys sign, besides the keys of home folders, which always do.
    pub(super) fn passkeys(&self, bad: &impl Bad) -> Result<bool, ConfigError> {
        let words: Vec<&str> = self.signatures.iter().map(String::as_str).collect();
        match words[..] {
            ["key"] => Ok(false),
            ["key", "passkey"] => Ok(true),
            _ => Err(bad("cases.signatures", format!("{words:?}"), r#"is neither ["key"] nor ["key", "passkey"]"#)),
        }
    }

    pub(super) fn waiting_cases(&self, bad: &impl Bad) -> Result<u32, ConfigError> {
        whole(bad, "cases.waiting_cases", self.waiting_cases, 1..=1000, "is not between 1 and 1000")
    }
}

/// What is left out is [`Limits::strict`].
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PurposeKeys {
    window_hours: Option<i64>,
    days: Option<i64>,
    cameras: Option<i64>,
    queries: Option<i64>,
    results: Option<i64>,
    results_per_search: Option<i64>,
}

/// The key of a section, spelled out: messages name what to edit.
macro_rules! key {
    ($purpose:expr, $key:literal) => {
        match $purpose {
            Purpose::MissingPerson => concat!("missing_person.", $key),
            Purpose::SeriousIncident => concat!("serious_incident.", $key),
            Purpose::Disaster => concat!("disaster.", $key),
        }
    };
}

impl PurposeKeys {
    pub(super) fn validate(&self, purpose: Purpose, bad: &impl Bad) -> Result<Limits, ConfigError> {
        let strict = Limits::strict(purpose);
        let mut limits = strict;
        if let Some(hours) = self.window_hours {
            let hours = whole(bad, key!(purpose, "window_hours"), hours, 1..=720, "is not between 1 and 720")?;
            limits.window = Duration::from_secs(u64::from(hours) * 3600);
        }
        if let Some(days) = self.days {
            let days = whole(bad, key!(purpose, "days"), days, 1..=90, "is not between 1 and 90")?;
            limits.duration = Duration::from_secs(u64::from(days) * 86_400);
        }
        let count = |key, value: Option<i64>, or: u32, most: i64, fault| match value {
            Some(value) => whole(bad, key, value, 1..=most, fault),
            None => Ok(or),
        };
        let million = "is not between 1 and 1000000";
        limits.cameras = match self.cameras {
            Some(cameras) => whole(bad, key!(purpose, "cameras"), cameras, 1..=1_000_000, million)? as usize,
            None => strict.cameras,
        };
        limits.budgets = Budgets {
            queries: count(key!(purpose, "queries"), self.queries, strict.budgets.queries, 1_000_000, million)?,
            results: count(key!(purpose, "results"), self.results, strict.budgets.results, 1_000_000, million)?,
        };
        limits.results_per_search = count(
            key!(purpose, "results_per_search"),
            self.results_per_search,
            strict.results_per_search,
            1_000,
            "is not between 1 and 1000",
        )?;
        Ok(limits)
    }
}
