use std::time::Duration;

use crate::{AgencyId, CameraId, CaptureTime, Class, Day, Description, FootageDigest, Rect, SightingId, Size, TimeStamp};

/// What a camera saw of one figure or vehicle, from when its track began until it ended. Holds no pixels: the redacted
/// crop and the appearance vector are kept beside it, under its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Derived from where it was seen.
    pub id: SightingId,
    /// Which camera saw it.
    pub camera: CameraId,
    /// Which agency pools the camera.
    pub agency: AgencyId,
    /// What the figure is.
    pub class: Class,
    /// When the track was first seen.
    pub first: TimeStamp,
    /// When the track was last seen; not before `first`.
    pub last: TimeStamp,
    /// When the stored crop was seen.
    pub best: CaptureTime,
    /// Where in the frame the stored crop was seen.
    pub bbox: Rect,
    /// Of the frame that `bbox` lies in.
    pub frame: Size,
    /// Of the detection behind the stored crop, 0..1.
    pub score: f32,
    /// Frames in which the detector saw it.
    pub detections: u32,
    /// What it shows, in words of the vocabulary.
    pub description: Description,
    /// Whether a live camera or a file showed it.
    pub origin: SightingOrigin,
}

impl Sighting {
    /// A track that lasts longer is cut into several sightings, so that whoever searches a window needs to look only
    /// this far before it, and a parked car does not keep one sighting open for days.
    pub const MAX_DURATION: Duration = Duration::from_secs(600);

    /// 1990-01-01, in microseconds since 1970: no footage is older.
    pub const EARLIEST_US: i64 = 631_152_000_000_000;
    /// How far two clocks that are looked after may differ: of a camera, a worker and a server.
    pub const CLOCK_SLACK_US: i64 = 300_000_000;
    /// No clock uncertainty counts for more, whoever states it.
    const MOST_UNCERTAIN_US: i64 = 3_600_000_000;
    /// Far above [`Self::MAX_DURATION`]; a search looks this far before its window.
    pub const LONGEST_US: i64 = 3_600_000_000;

    /// Why no store may take it, as the end of a sentence that begins with "the sighting". Whoever stores asks with the time
    /// `now`; whoever reads what was stored, without.
    pub fn fault(&self, now: Option<CaptureTime>) -> Option<&'static str> {
        let (first, last) = (self.first.time.as_micros(), self.last.time.as_micros());
        let latest = now.map_or(i64::MAX, |now| {
            let uncertain = self.last.uncertainty.as_micros().min(Self::MOST_UNCERTAIN_US);
            now.as_micros().saturating_add(uncertain).saturating_add(Self::CLOCK_SLACK_US)
        });
        let numbers = [self.bbox.x, self.bbox.y, self.bbox.width, self.bbox.height, self.score];
        if last < first {
            Some("ends before it begins")
        } else if last - first > Self::LONGEST_US {
            Some("lasts longer than an hour; longer tracks must be cut")
        } else if !(first..=last).contains(&self.best.as_micros()) {
            Some("has a crop that was seen before it began or after it ended")
        } else if first < Self::EARLIEST_US {
            Some("was seen before 1990: the camera's clock or the footage's start is wrong")
        } else if last > latest {
            Some("was seen in the future: the camera's clock or the footage's start is wrong")
        } else if !numbers.iter().all(|v| v.is_finite()) {
            Some("has a box or score that is not finite")
        } else if !self.description.to_vector().iter().all(|v| v.is_finite()) {
            Some("has a description whose confidence is not finite")
        } else {
            None
        }
    }

    /// The bucket it lives and is forgotten in: the UTC day it was first seen.
    pub fn day(&self) -> Day {
        self.first.time.day()
    }
}

/// Where a sighting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SightingOrigin {
    /// A live camera.
    Live,
    /// A file with this digest.
    Footage(FootageDigest),
}
