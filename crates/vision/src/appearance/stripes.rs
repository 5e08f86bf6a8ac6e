//! Soft colour histograms of horizontal stripes.

use redact::RedactedCrop;

use crate::lab::{Lab, Light, for_each_kept};

const STRIPES: usize = 4;
/// Bins of lightness, and of each colour axis.
const LIGHT: usize = 8;
const AXIS: usize = 6;
const STRIPE: usize = LIGHT + AXIS * AXIS;
pub(super) const LEN: usize = STRIPES * STRIPE;

/// Colours beyond this distance from grey share the outermost bins.
const REACH: f32 = 45.0;
/// How much of the light's colour is taken out.
const DISCOUNT: f32 = 0.7;

/// Square roots of the shares of each bin (so that the dot product is the Bhattacharyya coefficient of two histograms),
/// stripe by stripe from the top of the subject's box. A stripe that was erased is all zeros.
pub(super) fn of(crop: &RedactedCrop) -> Vec<f32> {
    let light = Light::of(crop, DISCOUNT);
    let r = crop.subject();
    let mut bins = vec![0.0f32; LEN];
    for_each_kept(crop, |x, y, rgb| {
        let (u, v) = ((x as f32 + 0.5 - r.x) / r.width, (y as f32 + 0.5 - r.y) / r.height);
        if !(0.0..1.0).contains(&u) || !(0.0..1.0).contains(&v) {
            return;
        }
        // The middle of the box is figure, its sides mostly are not.
        let weight = (-((u - 0.5) / 0.22).powi(2) / 2.0).exp();
        let stripe = &mut bins[(v * STRIPES as f32) as usize * STRIPE..][..STRIPE];
        add(stripe, light.apply(rgb), weight);
    });
    for stripe in bins.chunks_exact_mut(STRIPE) {
        for part in [0..LIGHT, LIGHT..STRIPE] {
            let sum: f32 = stripe[part.clone()].iter().sum();
            if sum > 1.0 {
                stripe[part].iter_mut().for_each(|v| *v = (*v / sum).sqrt());
            } else {
                stripe[part].fill(0.0);
            }
        }
    }
    bins
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
