use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use types::{AgencyId, CameraId, CaptureTime, Class, QueryPart, TimeWindow};

use crate::{Area, PooledCamera};

/// What a case covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// These cameras, and
    #[serde(default)]
    pub cameras: BTreeSet<CameraId>,
    /// every camera of these agencies, and
    #[serde(default)]
    pub agencies: BTreeSet<AgencyId>,
    /// every camera that hangs here. All three empty covers nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
    /// Capture times, half-open.
    #[serde(with = "window")]
    pub window: TimeWindow,
    /// Empty: every class.
    #[serde(default)]
    pub classes: BTreeSet<Class>,
    /// Which parts of a description may be asked. Empty: every part that the purpose allows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<QueryPart>,
}

impl Scope {
    /// Whether the case covers a camera, by its id, its agency or its place. Its owner's policy is another matter.
    pub fn covers_camera(&self, camera: &PooledCamera) -> bool {
        self.cameras.contains(&camera.id)
            || self.agencies.contains(&camera.agency)
            || self.area.zip(camera.place).is_some_and(|(area, place)| area.contains(&place))
    }

    /// Whether the case lets this part of a description be asked for. Its purpose is another matter.
    pub fn covers_part(&self, part: QueryPart) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Whether the case covers a class.
    pub fn covers_class(&self, class: Class) -> bool {
        self.classes.is_empty() || self.classes.contains(&class)
    }
}

/// How much may be asked before a case is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Searches, whatever they found.
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
