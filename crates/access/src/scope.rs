use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use types::{AgencyId, CameraId, CaptureTime, Class, TimeWindow};

use crate::PooledCamera;

/// What a case covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// These cameras, and
    #[serde(default)]
    pub cameras: BTreeSet<CameraId>,
    /// every camera of these agencies. Both empty covers nothing.
    #[serde(default)]
    pub agencies: BTreeSet<AgencyId>,
    #[serde(with = "window")]
    pub window: TimeWindow,
    /// Empty: every class.
    #[serde(default)]
    pub classes: BTreeSet<Class>,
}

impl Scope {
    pub fn covers_camera(&self, camera: &PooledCamera) -> bool {
        self.cameras.contains(&camera.id) || self.agencies.contains(&camera.agency)
    }

    pub fn covers_class(&self, class: Class) -> bool {
        self.classes.is_empty() || self.classes.contains(&class)
    }
}

/// How much may be asked before a case is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    pub queries: u32,
    /// Hits handed out, over all queries.
    pub results: u32,
}

/// A window as `{"from": .., "to": ..}`.
pub(crate) mod window {
    use serde::{Deserializer, Serializer, de::Error};

    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ends {
        from: CaptureTime,
        to: CaptureTime,
    }

    pub(crate) fn serialize<S: Serializer>(w: &TimeWindow, s: S) -> Result<S::Ok, S::Error> {
        Ends { from: w.from(), to: w.to() }.serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<TimeWindow, D::Error> {
        let ends = Ends::deserialize(d)?;
        TimeWindow::new(ends.from, ends.to).map_err(D::Error::custom)
    }
}
