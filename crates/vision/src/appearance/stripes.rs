//! Soft colour histograms of horizontal stripes, of the figure rather than of what stands behind it.
//!
//! Measured on the four cameras and two actors of pose2sim (76 crops) and one man in CAVIAR's two views (21 crops against
//! nine tracks): very small samples, and this recipe was chosen on them. On pose2sim the share of pairs "same actor in
//! another camera" that score above pairs "other actor" rises from .59 with every pixel counted, over .75 with pixels
//! weighed by how unlike the surroundings they are, to .95 without the head fifth of the box, with a narrower middle, finer
//! colour bins and a third of the grey-world correction (a crop filled by one scene's floor is a poor witness of the
//! light). With so little lightness as is best there (0.4) the man in the pale shirt is found first in none of the other
//! view's crops; with 0.9 in .67 of them, and pose2sim stays at .935 with every track's own actor first.

use redact::RedactedCrop;

use crate::lab::{Lab, Light, for_each_kept};

const STRIPES: usize = 3;
/// Share of the box above the first stripe: head and shoulders, mostly erased.
const TOP: f32 = 0.2;
/// Bins of lightness, and of each colour axis.
const LIGHT: usize = 8;
const AXIS: usize = 8;
const STRIPE: usize = LIGHT + AXIS * AXIS;
pub(super) const LEN: usize = STRIPES * STRIPE;

/// Colours beyond this distance from grey share the outermost bins.
const REACH: f32 = 30.0;
/// How much of the light's colour is taken out.
const DISCOUNT: f32 = 0.4;
/// Lightness changes from camera to camera, but tells a pale shirt from a dark one where the light hides its colour.
const LIGHTNESS: f32 = 0.9;
/// Width of the middle of the box, which is figure, as a share of the box.
const MIDDLE: f32 = 0.16;

/// Square roots of the shares of each bin (so that the dot product is the Bhattacharyya coefficient of two histograms),
/// stripe by stripe from below the head. A stripe that was erased is all zeros.
pub(super) fn of(crop: &RedactedCrop) -> Vec<f32> {
    let light = Light::of(crop, DISCOUNT);
    let r = crop.subject();
    let mut pixels = Vec::new();
    for_each_kept(crop, |x, y, rgb| {
        let u = (x as f32 + 0.5 - r.x) / r.width;
        let v = (y as f32 + 0.5 - r.y) / r.height;
        pixels.push(Pixel { u, v, middle: (-((u - 0.5) / MIDDLE).powi(2) / 2.0).exp(), colour: light.apply(rgb) });
    });
    let figure = Surroundings::new(&pixels);
    let mut bins = vec![0.0f32; LEN];
    for p in pixels.iter().filter(|p| p.inside() && p.v >= TOP) {
        let stripe = (((p.v - TOP) / (1.0 - TOP) * STRIPES as f32) as usize).min(STRIPES - 1);
        add(&mut bins[stripe * STRIPE..][..STRIPE], p.colour, p.middle * figure.share(p.colour).powi(3));
    }
    for stripe in bins.chunks_exact_mut(STRIPE) {
        for (part, weight) in [(0..LIGHT, LIGHTNESS), (LIGHT..STRIPE, 1.0)] {
            let sum: f32 = stripe[part.clone()].iter().sum();
            if sum > 1.0 {
                stripe[part].iter_mut().for_each(|v| *v = weight * (*v / sum).sqrt());
            } else {
                stripe[part].fill(0.0);
            }
        }
    }
    bins
}

/// A kept pixel: where it is in the subject's box (0..1 inside), how central, and its colour.
struct Pixel {
    u: f32,
    v: f32,
    middle: f32,
    colour: Lab,
}

impl Pixel {
    fn inside(&self) -> bool {
        (0.0..1.0).contains(&self.u) && (0.0..1.0).contains(&self.v)
    }
}

/// Which colours belong to the figure and which to what is around it: histograms of the middle and of the rim of the crop.
struct Surroundings {
    share: Vec<f32>,
}

impl Surroundings {
    const L: usize = 8;
    const A: usize = 10;
    const CELLS: usize = Self::L * Self::A * Self::A;

    fn new(pixels: &[Pixel]) -> Self {
        let (mut figure, mut rim) = (vec![0.0; Self::CELLS], vec![0.0; Self::CELLS]);
        for p in pixels {
            if p.u < 0.1 || p.u > 0.9 || p.v > 1.02 {
                rim[Self::cell(p.colour)] += 1.0;
            } else if p.inside() && p.v >= TOP {
                figure[Self::cell(p.colour)] += p.middle;
            }
        }
        let (figure, rim) = (smooth(&figure), smooth(&rim));
        Self { share: figure.iter().zip(&rim).map(|(f, r)| f / (f + r + 1e-6)).collect() }
    }

    /// 0 for a colour of the surroundings alone, 1 for one of the figure alone.
    fn share(&self, colour: Lab) -> f32 {
        self.share[Self::cell(colour)]
    }

    fn cell(c: Lab) -> usize {
        let q = |v: f32, bins: usize| ((v * bins as f32) as usize).min(bins - 1);
        let axis = |v: f32| q((v / 100.0 + 0.5).max(0.0), Self::A);
        (q((c.l / 100.0).max(0.0), Self::L) * Self::A + axis(c.a)) * Self::A + axis(c.b)
    }
}

/// Spreads each cell over its neighbours (1, 2, 1 along each axis) and scales the sum to 1.
fn smooth(cells: &[f32]) -> Vec<f32> {
    let mut now = cells.to_vec();
    for (stride, len) in
        [(1, Surroundings::A), (Surroundings::A, Surroundings::A), (Surroundings::A * Surroundings::A, Surroundings::L)]
    {
        let before = now.clone();
        for (i, v) in now.iter_mut().enumerate() {
            let at = i / stride % len;
            let left = if at > 0 { before[i - stride] } else { 0.0 };
            let right = if at + 1 < len { before[i + stride] } else { 0.0 };
            *v = 0.25 * left + 0.5 * before[i] + 0.25 * right;
        }
    }
    let sum = now.iter().sum::<f32>().max(1.0);
    now.iter_mut().for_each(|v| *v /= sum);
    now
}

/// Shares a pixel between neighbouring bins.
fn add(stripe: &mut [f32], colour: Lab, weight: f32) {
    let soft = |v: f32, bins: usize| {
        let at = v.clamp(0.0, 1.0) * (bins - 1) as f32;
        let first = (at as usize).min(bins - 2);
        (first, at - first as f32)
    };
    let (l, share) = soft(colour.l / 100.0, LIGHT);
    stripe[l] += weight * (1.0 - share);
    stripe[l + 1] += weight * share;
    let (a, sa) = soft(colour.a / REACH / 2.0 + 0.5, AXIS);
    let (b, sb) = soft(colour.b / REACH / 2.0 + 0.5, AXIS);
    for (i, wa) in [(a, 1.0 - sa), (a + 1, sa)] {
        for (j, wb) in [(b, 1.0 - sb), (b + 1, sb)] {
            stripe[LIGHT + i * AXIS + j] += weight * wa * wb;
        }
    }
}
