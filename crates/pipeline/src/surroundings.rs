//! What a scene learns of its camera while it looks: the light, and how tall figures are where. Kept as long as the scene:
//! a job's footage, or a camera's session.

use types::{Described, Detection, Frame, MediaTime, Rect, Stature};
use vision::{SceneLight, Stance, StatureScale};

/// How often the light is looked at.
const APART_MICROS: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    light: Option<SceneLight>,
    looked: Option<MediaTime>,
    scale: StatureScale,
}

impl Surroundings {
    pub(crate) fn look(&mut self, frame: &Frame) {
        if self.looked.is_some_and(|last| frame.at.as_micros().abs_diff(last.as_micros()) < APART_MICROS) {
            return;
        }
        self.looked = Some(frame.at);
        match (&mut self.light, SceneLight::of_frame(frame)) {
            (Some(light), Some(now)) => light.follow(&now),
            (light @ None, now) => *light = now,
            _ => {}
        }
    }

    pub(crate) fn light(&self) -> Option<&SceneLight> {
        self.light.as_ref()
    }

    /// Of a track that ended: it is judged by those before it and itself.
    pub(crate) fn learn(&mut self, stances: &Stances) {
        self.scale.learn(&stances.kept);
    }

    /// Beside the figures before and the `others` that are still there.
    pub(crate) fn stature<'a>(&self, stances: &Stances, others: impl Iterator<Item = &'a Stances>) -> Option<Described<Stature>> {
        self.scale.with(others.map(|o| o.kept.as_slice())).judge(&stances.kept)
    }
}

/// How tall a track stood in some of its frames, spread over its life.
#[derive(Debug)]
pub(crate) struct Stances {
    kept: Vec<Stance>,
    /// Each so many-th is kept.
    each: u32,
    seen: u32,
}

impl Stances {
    const MOST: usize = 64;

    pub(crate) fn observe(&mut self, figure: &Detection, others: &[Rect], frame: &Frame) {
        let Some(stance) = Stance::of(figure, others, frame.size()) else { return };
        self.seen += 1;
        if self.seen < self.each {
            return;
        }
        self.seen = 0;
        self.kept.push(stance);
        if self.kept.len() == Self::MOST {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.each = self.each.saturating_mul(2);
        }
    }
}

impl Default for Stances {
    fn default() -> Self {
        Self { kept: Vec::new(), each: 1, seen: 0 }
    }
}

#[cfg(test)]
mod tests {
    use types::{CaptureTime, Class, ClockUncertainty, ColourMatrix, PixelFormat, Size, TimeSource, TimeStamp};

    use super::*;

    fn frame(value: u8, millis: u64) -> Frame {
        let taken = TimeStamp {
            time: CaptureTime::from_micros(0).unwrap(),
            uncertainty: ClockUncertainty::default(),
            source: TimeSource::Given,
        };
        let size = Size { width: 64, height: 64 };
        let at = MediaTime::from_duration(std::time::Duration::from_millis(millis));
        let matrix = ColourMatrix { bt709: false, full_range: true };
        Frame::packed(vec![value; 64 * 64], size, PixelFormat::Gray8, matrix, at, taken, 0).unwrap()
    }

    #[test]
    fn the_light_is_looked_at_once_a_second_and_night_does_not_forget_it() {
        let mut surroundings = Surroundings::default();
        surroundings.look(&frame(0, 0));
        assert_eq!(surroundings.light(), None);
        surroundings.look(&frame(100, 500));
        assert_eq!(surroundings.light(), None, "half a second later");
        surroundings.look(&frame(100, 1000));
        let day = *surroundings.light().unwrap();
        surroundings.look(&frame(0, 2000));
        assert_eq!(surroundings.light(), Some(&day));
    }

    #[test]
    fn a_track_of_hours_keeps_few_moments_of_all_its_life() {
        let figure = Detection { class: Class::Person, score: 0.9, bbox: Rect::new(20.0, 10.0, 12.0, 40.0) };
        let mut stances = Stances::default();
        for i in 0..100_000 {
            stances.observe(&figure, &[], &frame(100, i * 200));
        }
        assert!((16..Stances::MOST).contains(&stances.kept.len()), "{}", stances.kept.len());
    }
}
