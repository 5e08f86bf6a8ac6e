//! What somebody wears, as coarsely as it takes to tell two figures apart that cross: colours of four bands of a box, from below
//! the head to the feet. Kept in memory with its track, and gone with it; never stored, never compared between cameras.

use types::{Frame, Rect};

/// Top and bottom of the bands, as shares of the box's height. The head is in none.
const BANDS: [(f32, f32); 4] = [(0.18, 0.35), (0.35, 0.52), (0.52, 0.72), (0.72, 0.93)];
/// Between these shares of the width there is mostly figure.
const SIDES: (f32, f32) = (0.25, 0.75);
/// Samples across a band and down it.
const SAMPLES: usize = 8;
/// Where the bins of each channel begin and end: luma, blue and red difference. Clothes in video are seldom more colourful.
const RANGES: [(f32, f32); 3] = [(28.0, 220.0), (98.0, 158.0), (107.0, 149.0)];
const BINS: usize = 9;
const LEN: usize = BANDS.len() * RANGES.len() * BINS;

/// The colours of one figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look(Box<[f32; LEN]>);

impl Look {
    /// Of a box; `None` where it has hardly a pixel inside the picture.
    pub(crate) fn of(frame: &Frame, bbox: &Rect) -> Option<Self> {
        let bbox = bbox.clip(frame.size());
        if bbox.width < 4.0 || bbox.height < 8.0 {
            return None;
        }
        let mut bins = Box::new([0.0; LEN]);
        let share = 1.0 / (SAMPLES * SAMPLES) as f32;
        for (band, (top, bottom)) in BANDS.into_iter().enumerate() {
            for row in 0..SAMPLES {
                let y = bbox.y + bbox.height * (top + (bottom - top) * (row as f32 + 0.5) / SAMPLES as f32);
                let y = (y as usize).min(frame.size().height as usize - 1);
                let below = (y + 1).min(frame.size().height as usize - 1);
                let (luma, under, chroma) = (frame.row(0, y), frame.row(0, below), frame.chroma_row(y));
                for column in 0..SAMPLES {
                    let x = bbox.x + bbox.width * (SIDES.0 + (SIDES.1 - SIDES.0) * (column as f32 + 0.5) / SAMPLES as f32);
                    let x = (x as usize).min(luma.len() - 1);
                    let beside = (x + 1).min(luma.len() - 1);
                    // Four neighbours, as many as share one sample of chroma: less noise.
                    let light: u32 = [luma[x], luma[beside], under[x], under[beside]].into_iter().map(u32::from).sum();
                    let (u, v) = chroma.map_or((128, 128), |(u, v, step)| (u[x / 2 * step], v[x / 2 * step]));
                    for (channel, value) in [light as f32 / 4.0, f32::from(u), f32::from(v)].into_iter().enumerate() {
                        let first = (band * RANGES.len() + channel) * BINS;
                        add(&mut bins[first..first + BINS], RANGES[channel], value, share);
                    }
                }
            }
        }
        Some(Self(bins))
    }

    /// 0 for the same colours, 1 for colours that have nothing in common: one less the Bhattacharyya coefficient, over all bands.
    pub(crate) fn distance(&self, other: &Self) -> f32 {
        let alike: f32 = self.0.iter().zip(other.0.iter()).map(|(a, b)| (a * b).sqrt()).sum();
        (1.0 - alike / (BANDS.len() * RANGES.len()) as f32).clamp(0.0, 1.0)
    }

    /// Goes this share of the way to another.
    pub(crate) fn follow(&mut self, other: &Self, share: f32) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(a, b)| *a += (b - *a) * share);
    }
}

/// A value belongs to the two bins it lies between.
fn add(bins: &mut [f32], (from, to): (f32, f32), value: f32, share: f32) {
    let last = bins.len() - 1;
    let at = ((value - from) / (to - from) * last as f32).clamp(0.0, last as f32);
    let first = (at as usize).min(last - 1);
    let part = at - first as f32;
    bins[first] += share * (1.0 - part);
    bins[first + 1] += share * part;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Size;

    use super::super::tests::dressed;
    use super::*;

    #[test]
    fn the_same_clothes_are_near_and_others_are_far_and_the_head_says_nothing() {
        let size = Size { width: 320, height: 240 };
        let (left, right) = (Rect::new(40.0, 60.0, 40.0, 100.0), Rect::new(200.0, 80.0, 40.0, 100.0));
        let frame = dressed(size, &[(left, [60, 110, 150], [90, 128, 128]), (right, [62, 112, 149], [88, 128, 128])]);
        let other = dressed(size, &[(left, [180, 150, 120], [90, 128, 128])]);
        let look = Look::of(&frame, &left).unwrap();
        assert!(look.distance(&Look::of(&frame, &right).unwrap()) < 0.05);
        assert!(look.distance(&Look::of(&other, &left).unwrap()) > 0.3);
        let head = Rect::new(40.0, 60.0, 40.0, 16.0);
        let hatted = dressed(size, &[(left, [60, 110, 150], [90, 128, 128]), (head, [240, 128, 128], [240, 128, 128])]);
        assert!(look.distance(&Look::of(&hatted, &left).unwrap()) < 1e-6);
    }

    proptest! {
        #[test]
        fn any_box_has_a_look_that_is_nearest_to_itself_or_none(
            x in -500f32..500.0, y in -500f32..500.0, w in 0f32..600.0, h in 0f32..600.0, width in 1u32..80, height in 1u32..80,
        ) {
            let frame = dressed(Size { width, height }, &[]);
            if let Some(look) = Look::of(&frame, &Rect::new(x, y, w, h)) {
                prop_assert!(look.distance(&look) < 1e-3);
            }
        }
    }
}
