use std::time::Duration;

use media::Sampling;
use serde::{Deserialize, Serialize};

/// What changes what comes out of footage; stored with its job as text that is equal when it is equal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobSettings {
    pub(crate) sample_fps: f64,
    pub(crate) keyframes_only: bool,
    pub(crate) keep_readable: bool,
    pub(crate) start_uncertainty_us: u64,
    /// About how long the parts are in which it is looked at; 0: whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) segment_s: u32,
    /// Of a recording on a recorder: how much of it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) length_us: Option<u64>,
}

// As serde asks for it.
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl JobSettings {
    pub(crate) fn to_text(self) -> String {
        // A struct of numbers and booleans always serialises.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// `None` for text of another version.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn start_uncertainty(&self) -> Duration {
        Duration::from_micros(self.start_uncertainty_us)
    }

    pub(crate) fn segment(&self) -> Option<Duration> {
        (self.segment_s > 0).then(|| Duration::from_secs(self.segment_s.into()))
    }

    pub(crate) fn length(&self) -> Option<Duration> {
        self.length_us.map(Duration::from_micros)
    }

    /// Whether the same is seen with both: how well the start is known is seen in no picture.
    pub(crate) fn sees_the_same(self, other: Self) -> bool {
        Self { start_uncertainty_us: 0, ..self } == Self { start_uncertainty_us: 0, ..other }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        Sampling { fps: self.sample_fps, keyframes_only: self.keyframes_only, ..Sampling::default() }
    }
}
