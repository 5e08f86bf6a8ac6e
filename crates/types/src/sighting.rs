use std::time::Duration;

use crate::{AgencyId, CameraId, CaptureTime, Class, Day, Description, FootageDigest, Rect, SightingId, Size, TimeStamp};

/// What a camera saw of one figure or vehicle, from when its track began until it ended. Holds no pixels: the redacted
/// crop and the appearance vector are kept beside it, under its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    pub id: SightingId,
    pub camera: CameraId,
    pub agency: AgencyId,
    pub class: Class,
    /// When the track was first and last seen; `first.time <= last.time`.
    pub first: TimeStamp,
    pub last: TimeStamp,
    /// When the stored crop was seen.
    pub best: CaptureTime,
    /// Where in the frame the stored crop was seen.
    pub bbox: Rect,
    pub frame: Size,
    /// Of the detection behind the stored crop, 0..1.
    pub score: f32,
    /// Frames in which the detector saw it.
    pub detections: u32,
    pub description: Description,
    pub origin: SightingOrigin,
}

impl Sighting {
    /// A track that lasts longer is cut into several sightings, so that whoever searches a window needs to look only
    /// this far before it, and a parked car does not keep one sighting open for days.
    pub const MAX_DURATION: Duration = Duration::from_secs(600);

    /// The bucket it lives and is forgotten in: the UTC day it was first seen.
    pub fn day(&self) -> Day {
        self.first.time.day()
    }
}

/// Where a sighting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SightingOrigin {
    Live,
    Footage(FootageDigest),
}
