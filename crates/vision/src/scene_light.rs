//! The light a camera sees by, from whole frames: a crop is too small to tell a red coat from a grey one in red light.

use types::{Frame, Rect};

use crate::linear::{has_colour, linear};

/// Estimates of how often and over how long: a frame's own light is noise, and a lamp that goes on is seen in seconds.
const BLEND: f32 = 0.15;
/// Added to every luminance: shadows are noise.
const DARKEST: f32 = 0.02;
/// So many rows of a frame are looked at, and so many pixels of each.
const ROWS: u32 = 48;
const COLUMNS: usize = 96;
/// Of a grey picture's pixels, fewer than this share have a colour: compression leaves traces, and clocks are written into pictures.
/// Each clip in colour that was looked at had eight times as many.
const COLOURED: f32 = 0.003;

/// The colour of the light, and how bright the scene is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneLight {
    /// Linear R, G, B; their mean is 1.
    pub(crate) colour: [f32; 3],
    /// Log-average luminance of the picture (Reinhard et al., "Photographic Tone Reproduction", 2002), 0 to 1.
    pub(crate) level: f32,
    /// The picture has no colour: a camera that sees by infrared, or a grey one.
    pub(crate) colourless: bool,
}

impl SceneLight {
    /// Grey world (Buchsbaum, 1980): the mean of each channel. A lawn misleads it, which is why only a share is taken out; a
    /// higher norm is misled by a sunlit wall, and named more clothes wrongly (`benches/README.md`). `None` for pictures of darkness alone, or with too few pixels.
    pub fn of(pixels: impl Iterator<Item = [u8; 3]>) -> Option<Self> {
        let (mut sums, mut count, mut logs, mut coloured) = ([0.0f64; 3], 0u32, 0.0f64, 0u32);
        for rgb in pixels {
            count += 1;
            coloured += u32::from(has_colour(rgb));
            let [r, g, b] = linear(rgb);
            logs += f64::from((0.212_67 * r + 0.715_16 * g + 0.072_17 * b + DARKEST).ln());
            // A clipped channel says nothing about colour.
            if rgb.iter().all(|v| *v < 250) {
                for (sum, v) in sums.iter_mut().zip(linear(rgb)) {
                    *sum += f64::from(v);
                }
            }
        }
        let means = sums.map(|s| s / f64::from(count.max(1)));
        let mean = means.iter().sum::<f64>() / 3.0;
        let level = (logs / f64::from(count.max(1))).exp() as f32;
        let colourless = (coloured as f32) < COLOURED * count as f32;
        (count >= 256 && mean > 1e-3).then(|| Self { colour: means.map(|n| (n / mean) as f32), level, colourless })
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
        self.level += BLEND * (now.level - self.level);
        // A camera goes over to infrared from one moment to the next.
        self.colourless = now.colourless;
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
    fn a_stream_without_colour_is_recognised_and_one_with_a_single_red_coat_is_not() {
        let grey = |i: u32| [(60 + i % 120) as u8, (61 + i % 120) as u8, (58 + i % 120) as u8];
        let infrared = SceneLight::of((0..4000).map(grey)).unwrap();
        let coat = SceneLight::of((0..4000).map(|i| if i % 100 == 0 { [180, 30, 30] } else { grey(i) })).unwrap();
        assert!(infrared.colourless && !coat.colourless);
        let mut camera = coat;
        camera.follow(&infrared);
        assert!(camera.colourless, "night falls");
    }

    #[test]
    fn darkness_and_a_handful_of_pixels_tell_nothing() {
        assert_eq!(SceneLight::of(std::iter::repeat_n([1, 1, 1], 5000)), None);
        assert_eq!(SceneLight::of(std::iter::repeat_n([90, 90, 90], 50)), None);
        assert_eq!(SceneLight::of(std::iter::empty()), None);
    }
}
