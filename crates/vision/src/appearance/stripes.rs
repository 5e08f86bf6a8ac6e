//! The colours of recipe 5: soft histograms of horizontal stripes. Kept for deployments that have not gone over to recipe 6 by a
//! reindex yet, so that what they stored is found as before. Nothing here may change.
//!
//! How the constants were chosen, and on what, is in `benches/README.md`: by mean average precision over figures that were
//! rendered for the purpose (known to differ from real ones), held against real tracklets, pose2sim's four cameras and
//! CAVIAR's two. What was worth most, in this order: telling the figure from its surroundings, taking out less of the light
//! than grey-world would (a crop is filled by its own floor and its own coat), colour bins that are finer near grey, six
//! stripes instead of three, and leaving out the feet.

use redact::RedactedCrop;

use crate::{
    figure::{BOTTOM, Figure, TOP, pixels},
    lab::{Lab, Light},
    silhouette::Silhouette,
};

const STRIPES: usize = 6;
/// Bins of lightness.
const LIGHT: usize = 5;
/// Bins of colour: the cells of a square grid of this half-width that lie in a disc about grey.
const RADIUS: usize = 3;
const SIDE: usize = 2 * RADIUS + 1;
const CELLS: usize = 29;
const STRIPE: usize = LIGHT + CELLS;
const LEN: usize = STRIPES * STRIPE;

/// Chroma of the outermost bins, and how fast the bins grow towards them: most clothes are nearly grey, and the eye and the
/// camera agree on small differences there.
const REACH: f32 = 60.0;
const GROWTH: f32 = 0.2;
/// How much of the light's colour and of its strength is taken out.
const DISCOUNT: f32 = 0.3;
const EXPOSURE: f32 = 0.2;
/// Lightness changes from camera to camera, but tells a pale shirt from a dark one where the light hides its colour.
const LIGHTNESS: f32 = 0.9;
/// A stripe with less than the weight of half a pixel shows nothing.
const LEAST: f32 = 0.5;

/// Square roots of the shares of each bin (so that the dot product is the Bhattacharyya coefficient of two histograms),
/// stripe by stripe from below the head. A stripe that was erased is all zeros.
pub(super) fn of(crop: &RedactedCrop) -> Vec<f32> {
    let pixels = pixels(crop, Light::with_exposure(crop, DISCOUNT, EXPOSURE), &Silhouette::unknown());
    let figure = Figure::new(&pixels);
    let mut stripes = [([0.0f32; LIGHT], [0.0f32; SIDE * SIDE]); STRIPES];
    for p in pixels.iter().filter(|p| p.in_figure()) {
        let stripe = (((p.v - TOP) / (BOTTOM - TOP) * STRIPES as f32) as usize).min(STRIPES - 1);
        let (lightness, colour) = &mut stripes[stripe];
        add(lightness, colour, p.colour, figure.weight(p));
    }
    let mut bins = Vec::with_capacity(LEN);
    for (lightness, colour) in &stripes {
        let cells: Vec<f32> = disc().map(|cell| colour[cell]).collect();
        let seen = lightness.iter().sum::<f32>() > LEAST;
        for (part, weight) in [(&lightness[..], LIGHTNESS), (&cells[..], 1.0)] {
            let sum = part.iter().sum::<f32>().max(1e-9);
            bins.extend(part.iter().map(|v| if seen { weight * (v / sum).sqrt() } else { 0.0 }));
        }
    }
    bins
}

/// The cells of the grid that colours fall into; the corners hold next to nothing.
fn disc() -> impl Iterator<Item = usize> {
    let far = |i: usize| i.abs_diff(RADIUS).pow(2);
    (0..SIDE * SIDE).filter(move |i| far(i / SIDE) + far(i % SIDE) <= RADIUS * RADIUS)
}

/// Shares a pixel between neighbouring bins.
fn add(lightness: &mut [f32; LIGHT], cells: &mut [f32; SIDE * SIDE], colour: Lab, weight: f32) {
    let soft = |at: f32, bins: usize| {
        let at = at.clamp(0.0, (bins - 1) as f32);
        let first = (at as usize).min(bins - 2);
        (first, at - first as f32)
    };
    let (l, share) = soft(colour.l / 100.0 * (LIGHT - 1) as f32, LIGHT);
    lightness[l] += weight * (1.0 - share);
    lightness[l + 1] += weight * share;
    let chroma = colour.chroma().max(1e-6);
    let out = ((GROWTH * chroma).ln_1p() / (GROWTH * REACH).ln_1p()).min(1.0) * RADIUS as f32 / chroma;
    let (a, sa) = soft(colour.a * out + RADIUS as f32, SIDE);
    let (b, sb) = soft(colour.b * out + RADIUS as f32, SIDE);
    for (i, wa) in [(a, 1.0 - sa), (a + 1, sa)] {
        for (j, wb) in [(b, 1.0 - sb), (b + 1, sb)] {
            cells[i * SIDE + j] += weight * wa * wb;
        }
    }
}
