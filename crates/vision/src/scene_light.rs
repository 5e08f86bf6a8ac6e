//! The light a camera sees by, from whole frames: a crop is too small to tell a red coat from a grey one in red light.

use types::{Frame, Rect};

use crate::linear::linear;

/// Estimates of how often and over how long: a frame's own light is noise, and a lamp that goes on is seen in seconds.
const BLEND: f32 = 0.15;
/// The Minkowski norm of the estimate.
const NORM: i32 = 6;
/// So many rows of a frame are looked at, and so many pixels of each.
const ROWS: u32 = 48;
const COLUMNS: usize = 96;

/// The colour of the light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneLight {
    /// Linear R, G, B; their mean is 1.
    pub(crate) colour: [f32; 3],
}

impl SceneLight {
    /// Shades of grey (Finlayson and Trezzi, 2004): the 6-norm of each channel, between the mean, which a lawn misleads,
    /// and the maximum, which a lamp does. `None` for pictures of darkness alone, or with too few pixels.
    pub fn of(pixels: impl Iterator<Item = [u8; 3]>) -> Option<Self> {
        let (mut sums, mut count) = ([0.0f64; 3], 0u32);
        for rgb in pixels {
            count += 1;
            // A clipped channel says nothing about colour.
            if rgb.iter().all(|v| *v < 250) {
                for (sum, v) in sums.iter_mut().zip(linear(rgb)) {
                    *sum += f64::from(v).powi(NORM);
                }
            }
        }
        let norms = sums.map(|s| (s / f64::from(count.max(1))).powf(1.0 / f64::from(NORM)));
        let mean = norms.iter().sum::<f64>() / 3.0;
        (count >= 256 && mean > 1e-3).then(|| Self { colour: norms.map(|n| (n / mean) as f32) })
    }

    /// The same, of a few thousand pixels of a frame.
    pub fn of_frame(frame: &Frame) -> Option<Self> {
        let (width, height) = (frame.size().width, frame.size().height);
        let rows = (0..height).step_by(height.div_ceil(ROWS) as usize);
        let crops: Vec<_> = rows.filter_map(|y| frame.crop(&Rect::new(0.0, y as f32, width as f32, 1.0))).collect();
        let apart = (width as usize).div_ceil(COLUMNS);
        Self::of(crops.iter().flat_map(|c| c.rgb().chunks_exact(3).step_by(apart).map(|p| [p[0], p[1], p[2]])))
    }

    /// Moves towards what a later frame of the same camera says.
    pub fn follow(&mut self, now: &Self) {
        self.colour.iter_mut().zip(now.colour).for_each(|(a, b)| *a += BLEND * (b - *a));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_lamp_over_grey_things_is_seen_and_followed() {
        let scene = |tint: [f32; 3]| (0..4000).map(move |i| tint.map(|t| (t * (40 + i % 160) as f32) as u8));
        let day = SceneLight::of(scene([1.0, 1.0, 1.0])).unwrap();
        let lamp = SceneLight::of(scene([1.2, 1.0, 0.7])).unwrap();
        assert!(day.colour.iter().all(|c| (c - 1.0).abs() < 0.01), "{day:?}");
        assert!(lamp.colour[0] > 1.2 && lamp.colour[2] < 0.7, "{lamp:?}");
        let mut camera = day;
        (0..30).for_each(|_| camera.follow(&lamp));
        assert!((camera.colour[0] - lamp.colour[0]).abs() < 0.02);
    }

    #[test]
    fn darkness_and_a_handful_of_pixels_tell_nothing() {
        assert_eq!(SceneLight::of(std::iter::repeat_n([1, 1, 1], 5000)), None);
        assert_eq!(SceneLight::of(std::iter::repeat_n([90, 90, 90], 50)), None);
        assert_eq!(SceneLight::of(std::iter::empty()), None);
    }
}
