//! Colour as people see it: CIE L*a*b*, after the light of the picture is discounted.

use redact::RedactedCrop;

use crate::{
    linear::{LINEAR, linear},
    scene_light::SceneLight,
};

/// One pixel: lightness 0..100, and the two colour axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lab {
    pub(crate) l: f32,
    pub(crate) a: f32,
    pub(crate) b: f32,
}

impl Lab {
    pub(crate) fn chroma(self) -> f32 {
        self.a.hypot(self.b)
    }

    /// 0..360 degrees.
    pub(crate) fn hue(self) -> f32 {
        self.b.atan2(self.a).to_degrees().rem_euclid(360.0)
    }
}

/// From linear sRGB (D65).
pub(crate) fn lab([r, g, b]: [f32; 3]) -> Lab {
    let f = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.412_45 * r + 0.357_58 * g + 0.180_42 * b) / 0.950_47);
    let y = f(0.212_67 * r + 0.715_16 * g + 0.072_17 * b);
    let z = f((0.019_33 * r + 0.119_19 * g + 0.950_23 * b) / 1.088_83);
    Lab { l: 116.0 * y - 16.0, a: 500.0 * (x - y), b: 200.0 * (y - z) }
}

/// The light of a picture, to be divided out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Light {
    gains: [f32; 3],
}

/// A picture whose brightest parts are darker than this linear green is exposed up, by at most [`MOST_EXPOSURE`]; in a dim scene
/// by more, so that one of this brightness gets that, up to [`DIM_EXPOSURE`].
const WHITE: f32 = 0.9;
const MOST_EXPOSURE: f32 = 1.8;
const DIM_EXPOSURE: f32 = 3.0;
const DIM: f32 = 0.167;

/// Middle grey, in linear light.
const KEY: f32 = 0.18;
/// Added to every luminance: shadows are noise.
const DARKEST: f32 = 0.02;

impl Light {
    /// Grey world, and exposed so that the log-average luminance comes nearer to [`KEY`] (Reinhard et al., "Photographic Tone
    /// Reproduction", 2002), by a share of the way.
    pub(crate) fn with_exposure(crop: &RedactedCrop, share: f32, exposure: f32) -> Self {
        let light = Self::grey_world(crop, share);
        let (mut sum, mut count) = (0.0f64, 0u32);
        for_each_kept(crop, |_, _, rgb| {
            let v = linear(rgb);
            let [r, g, b]: [f32; 3] = std::array::from_fn(|i| v[i] * light.gains[i]);
            sum += f64::from(0.212_67 * r + 0.715_16 * g + 0.072_17 * b + DARKEST).ln();
            count += 1;
        });
        let gain = if count == 0 { 1.0 } else { (KEY / (sum / f64::from(count)).exp() as f32).powf(exposure) };
        Self { gains: light.gains.map(|g| g * gain) }
    }

    /// Grey world (Buchsbaum, 1980), with a share of the correction: a crop filled by one red coat is red, not a grey coat
    /// in red light. Erased pixels say nothing about the light.
    pub(crate) fn grey_world(crop: &RedactedCrop, share: f32) -> Self {
        Self::estimate(crop, share, None)
    }

    /// Grey world, and exposed so that the brightest twentieth of the picture is near white: a white shirt in a dim hall is
    /// white. A picture of dark things alone stays dark.
    pub(crate) fn and_exposure(crop: &RedactedCrop, share: f32) -> Self {
        Self::estimate(crop, share, Some(MOST_EXPOSURE))
    }

    /// The colour of the light by the whole scene, of which `share` is taken out, and exposed by the crop as above.
    pub(crate) fn of_scene(scene: &SceneLight, crop: &RedactedCrop, share: f32) -> Self {
        let most = (MOST_EXPOSURE * DIM / scene.level.max(1e-3)).clamp(MOST_EXPOSURE, DIM_EXPOSURE);
        let exposed = Self::estimate(crop, 0.0, Some(most)).gains;
        Self { gains: std::array::from_fn(|i| exposed[i] * scene.colour[i].max(1e-3).powf(-share).clamp(0.4, 2.5)) }
    }

    fn estimate(crop: &RedactedCrop, share: f32, expose: Option<f32>) -> Self {
        let mut sums = [0.0f64; 3];
        let (mut count, mut levels) = (0u32, [0u32; 256]);
        for_each_kept(crop, |_, _, rgb| {
            for (sum, v) in sums.iter_mut().zip(linear(rgb)) {
                *sum += f64::from(v);
            }
            levels[rgb[1] as usize] += 1;
            count += 1;
        });
        let mean = sums.iter().sum::<f64>() / 3.0;
        if count < 32 || mean / f64::from(count) < 1e-4 {
            return Self { gains: [1.0; 3] };
        }
        let gain = |sum: f64| (mean / sum.max(1e-9)).powf(f64::from(share)).clamp(0.4, 2.5) as f32;
        let mut gains = sums.map(gain);
        if let Some(most) = expose {
            let mut above = 0;
            let bright = (0..256).rev().find(|&level| {
                above += levels[level];
                above * 20 >= count
            });
            let exposure = (WHITE / LINEAR[bright.unwrap_or(255)].max(1e-3)).clamp(1.0, most);
            gains = gains.map(|g| g * exposure);
        }
        Self { gains }
    }

    pub(crate) fn apply(&self, rgb: [u8; 3]) -> Lab {
        let v = linear(rgb);
        lab(std::array::from_fn(|i| (v[i] * self.gains[i]).min(1.0)))
    }
}

/// Calls `f(x, y, rgb)` for every pixel that was not erased.
pub(crate) fn for_each_kept(crop: &RedactedCrop, mut f: impl FnMut(usize, usize, [u8; 3])) {
    let width = crop.size().width as usize;
    let erased = |x: usize, y: usize| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        crop.erased().iter().any(|r| x > r.x && x < r.right() && y > r.y && y < r.bottom())
    };
    for (y, row) in crop.rgb().chunks_exact(width * 3).enumerate() {
        for (x, p) in row.chunks_exact(3).enumerate() {
            if !erased(x, y) {
                f(x, y, [p[0], p[1], p[2]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_lab() {
        let near = |rgb, l: f32, a: f32, b: f32| {
            let c = lab(linear(rgb));
            assert!((c.l - l).abs() < 0.6 && (c.a - a).abs() < 0.6 && (c.b - b).abs() < 0.6, "{rgb:?} {c:?}");
        };
        near([255, 255, 255], 100.0, 0.0, 0.0);
        near([0, 0, 0], 0.0, 0.0, 0.0);
        near([255, 0, 0], 53.2, 80.1, 67.2);
        near([0, 0, 255], 32.3, 79.2, -107.9);
    }
}
