use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use types::{AgencyId, CameraId, CaptureTime};

use crate::{Code, Denial, Place, Purpose};

/// A camera with its owner's policy, as `decide` needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledCamera {
    /// The camera, unique in the deployment.
    pub id: CameraId,
    /// Who owns it.
    pub agency: AgencyId,
    /// Where it hangs; a camera without one lies in no area.
    pub place: Option<Place>,
    /// What its owner lets others do with it.
    pub policy: CameraPolicy,
}

/// What the owner lets others do with a camera; checked on every search and every fetch of a crop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraPolicy {
    /// The purposes it may be searched for. Empty: none.
    pub purposes: BTreeSet<Purpose>,
    /// Only sightings of these hours may be found; `None`: of all.
    pub hours: Option<Hours>,
    /// Nobody searches it for now.
    pub paused: bool,
    /// Nobody searches it any more.
    pub revoked: bool,
    /// It covers a place of worship, health or assembly: a search needs two authorisers.
    pub sensitive: bool,
    /// How long its sightings live; `None`: the deployment's default.
    pub retention_seconds: Option<u64>,
}

impl CameraPolicy {
    /// What both let others do, where `self` is what the owner said and `other` is what somebody made of it. How long sightings
    /// live is for the owner alone to say: what is deleted too early does not come back.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let Self { purposes, hours, paused, revoked, sensitive, retention_seconds } = self;
        let (hours, apart) = match (hours, &other.hours) {
            (None, either) | (either, None) => (*either, false),
            (Some(one), Some(two)) => (Some(*one), one != two),
        };
        Self {
            purposes: purposes.intersection(&other.purposes).copied().collect(),
            hours,
            paused: *paused || other.paused || apart,
            revoked: *revoked || other.revoked,
            sensitive: *sensitive || other.sensitive,
            retention_seconds: *retention_seconds,
        }
    }
}

impl Default for CameraPolicy {
    fn default() -> Self {
        Self {
            purposes: Purpose::ALL.into(),
            hours: None,
            paused: false,
            revoked: false,
            sensitive: false,
            retention_seconds: None,
        }
    }
}

impl CameraPolicy {
    /// Whether the owner allows a search for `purpose` by a case with so many authorisers.
    pub(crate) fn check(&self, camera: &CameraId, purpose: Purpose, authorisers: usize) -> Result<(), Denial> {
        let owner = "ask the camera's owner, or leave the camera out";
        if self.revoked {
            return Err(Denial::new(Code::CameraRevoked, format!("the owner of camera {camera} has withdrawn it"), owner));
        }
        if self.paused {
            return Err(Denial::new(Code::CameraPaused, format!("the owner of camera {camera} has paused it"), owner));
        }
        if !self.purposes.contains(&purpose) {
            let reason = format!("the owner of camera {camera} does not allow searches for the purpose {purpose}");
            return Err(Denial::new(Code::CameraPurpose, reason, owner));
        }
        if self.sensitive && authorisers < 2 {
            let reason = format!("camera {camera} covers a sensitive place, whose search needs a second authoriser");
            return Err(Denial::new(Code::SecondAuthoriser, reason, "have a second person authorise the case"));
        }
        Ok(())
    }
}

/// Hours of the day in UTC, in minutes: `from <= t < to`, over midnight where `from > to`. Equal ends mean no hour at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Minute of the day in UTC, 0 to 1439; the first that is within.
    pub from_minute: u16,
    /// Minute of the day in UTC, the first that is not within any more.
    pub to_minute: u16,
}

impl Hours {
    /// Whether a time of capture lies within, whatever its day.
    pub fn contains(&self, time: CaptureTime) -> bool {
        let minute = (time.as_micros().div_euclid(60_000_000)).rem_euclid(24 * 60) as u16;
        if self.from_minute <= self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_run_over_midnight_and_are_half_open() {
        let at = |text: &str| text.parse::<CaptureTime>().unwrap();
        let night = Hours { from_minute: 22 * 60, to_minute: 6 * 60 };
        assert!(night.contains(at("2026-03-01T22:00:00Z")) && night.contains(at("2026-03-01T05:59:59Z")));
        assert!(!night.contains(at("2026-03-01T06:00:00Z")) && !night.contains(at("2026-03-01T21:59:59Z")));
        assert!(!Hours { from_minute: 60, to_minute: 60 }.contains(at("2026-03-01T01:00:00Z")));
    }
}
