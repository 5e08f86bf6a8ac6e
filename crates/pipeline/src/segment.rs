//! Long footage in parts that are looked at on their own, side by side and again after a crash, and together show every
//! figure once.
//!
//! ```text
//!  part k-1 ──────────────────────────────────┬─ follows what began here to its end, at most HANDOVER ─┐
//!                          part k  ── WARM_UP ─┼─ what it saw begin before is not its own ... ──────────┴─ ... but from here on
//!                                            border                                                     is what is still there
//! ```
//!
//! A track belongs to the part in which it begins. The part before looks on past the border until its tracks have ended; the
//! part after begins to look before it, so that it knows which figures are not new. What has still not ended a while after
//! the border is cut there, as every long track is: the part before ends it, the part after takes over at the same frame.

use std::time::Duration;

use media::FootageInfo;
use types::MediaTime;

/// The detector has seen the whole frame, the light is known and tracks are confirmed well before a border: twice the longest
/// time between two whole looks.
pub(crate) const WARM_UP: Duration = Duration::from_secs(10);
/// How long a part follows its tracks past its border. Figures that cross it and leave soon after are one sighting.
pub(crate) const HANDOVER: Duration = Duration::from_secs(20);
/// Shorter parts would be mostly warm-up.
const SHORTEST: Duration = Duration::from_secs(20);

/// A part of footage, by media time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// From 0.
    pub number: u32,
    pub from: Duration,
    /// `None`: to the end.
    pub to: Option<Duration>,
}

impl Segment {
    /// All of it.
    pub const WHOLE: Self = Self { number: 0, from: Duration::ZERO, to: None };

    /// Cuts footage into parts of about `length`; one part where reading can't begin inside it or it is not much longer.
    pub fn cut(info: &FootageInfo, length: Duration) -> Vec<Self> {
        let total = info.duration.filter(|_| info.seekable).unwrap_or_default();
        Self::cut_evenly(total, length.max(SHORTEST))
    }

    fn cut_evenly(total: Duration, length: Duration) -> Vec<Self> {
        // The last one takes what is left over, up to half a part.
        let count = ((total.as_secs_f64() / length.as_secs_f64()).round() as u32).max(1);
        (0..count)
            .map(|number| Self { number, from: length * number, to: (number + 1 < count).then(|| length * (number + 1)) })
            .collect()
    }

    /// Where reading begins.
    pub(crate) fn read_from(&self) -> Duration {
        self.from.saturating_sub(WARM_UP)
    }

    /// After this nothing of it is looked at.
    pub(crate) fn read_until(&self) -> Option<Duration> {
        // One more picture says that it is over.
        self.to.map(|to| to + HANDOVER + Duration::from_secs(2))
    }

    /// How much of it is done when reading is at `at`, and of how much where that is known.
    pub(crate) fn done(&self, at: Duration) -> Duration {
        at.clamp(self.from, self.to.unwrap_or(Duration::MAX)) - self.from
    }

    pub(crate) fn owns(&self, born: MediaTime) -> bool {
        let born = born.as_duration();
        born >= self.from && self.to.is_none_or(|to| born < to)
    }

    /// What began before this part and is still there now is its own from here on.
    pub(crate) fn takes_over(&self, at: MediaTime) -> bool {
        self.number > 0 && at.as_duration() >= self.from + HANDOVER
    }

    /// Past its border.
    pub(crate) fn is_past(&self, at: MediaTime) -> bool {
        self.to.is_some_and(|to| at.as_duration() >= to)
    }

    /// Nothing after this is its own, whatever is still there.
    pub(crate) fn hands_over(&self, at: MediaTime) -> bool {
        self.to.is_some_and(|to| at.as_duration() >= to + HANDOVER)
    }

    /// The numbers of its sightings; those of the first part are as if there were no other.
    pub(crate) fn numbering(&self) -> u64 {
        u64::from(self.number) << 32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_moment_is_in_one_part_and_none_is_much_longer_than_asked(total in 0u64..100_000, length in 20u64..2000, at in 0u64..100_000) {
            let parts = Segment::cut_evenly(Duration::from_secs(total), Duration::from_secs(length));
            let at = MediaTime::from_duration(Duration::from_secs(at));
            prop_assert_eq!(parts.iter().filter(|p| p.owns(at)).count(), 1);
            for (i, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.number as usize, i);
                prop_assert_eq!(part.to.is_none(), i + 1 == parts.len());
                let to = part.to.unwrap_or(Duration::from_secs(total));
                prop_assert!(2 * (to.saturating_sub(part.from)) <= 3 * Duration::from_secs(length));
            }
        }
    }
}
