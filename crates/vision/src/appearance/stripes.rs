//! Soft colour histograms of horizontal stripes, of the figure rather than of what stands behind it.
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
};

const STRIPES: usize = 6;
/// Bins of lightness.
const LIGHT: usize = 5;
/// Bins of colour: the cells of a square grid of this half-width that lie in a disc about grey.
const RADIUS: usize = 3;
const SIDE: usize = 2 * RADIUS + 1;
const CELLS: usize = 29;
const STRIPE: usize = LIGHT + CELLS;
pub(super) const LEN: usize = STRIPES * STRIPE;

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
    let pixels = pixels(crop, Light::with_exposure(crop, DISCOUNT, EXPOSURE));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redact::{FaceFinder, FaceFinderError, FoundFace, Subject, redact};
    use types::{Class, RawCrop, Rect, Size};

    use super::*;

    struct NoFaces;

    impl FaceFinder for NoFaces {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Ok(Vec::new())
        }
    }

    const SIZE: Size = Size { width: 72, height: 168 };

    /// A figure in a shirt and trousers before a wall, all in one light.
    fn crop(shirt: [u8; 3], trousers: [u8; 3], wall: [u8; 3], light: [f32; 3]) -> RedactedCrop {
        let bbox = Rect::new(6.0, 14.0, 60.0, 140.0);
        let mut rgb = Vec::new();
        for y in 0..SIZE.height as i32 {
            for x in 0..SIZE.width as i32 {
                let half = if y < 84 { 17 } else { 13 };
                let of = if (x - 36).abs() > half || !(14..152).contains(&y) {
                    wall
                } else if y < 84 {
                    shirt
                } else {
                    trousers
                };
                // A little texture, as cloth and walls have.
                let shade = 1.0 + 0.04 * ((x * 7 + y * 13) % 5 - 2) as f32;
                rgb.extend((0..3).map(|i| (f32::from(of[i]) * shade * light[i]).min(255.0) as u8));
            }
        }
        let raw = RawCrop::new(rgb, SIZE, (0, 0)).unwrap();
        redact(raw, &Subject { class: Class::Person, bbox, people: Vec::new() }, &mut NoFaces).unwrap()
    }

    fn alike(a: &RedactedCrop, b: &RedactedCrop) -> f32 {
        let (a, b) = (of(a), of(b));
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f32>();
        dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
    }

    const DAY: [f32; 3] = [1.0; 3];
    const RED: [u8; 3] = [170, 30, 35];
    const GREEN: [u8; 3] = [40, 110, 60];
    const NAVY: [u8; 3] = [35, 40, 80];
    const JEANS: [u8; 3] = [70, 90, 130];
    const GREY: [u8; 3] = [120, 120, 122];
    const SAND: [u8; 3] = [190, 170, 140];

    #[test]
    fn the_same_clothes_before_another_wall_in_another_light_are_more_alike_than_other_clothes_in_the_same() {
        let here = crop(RED, JEANS, GREY, DAY);
        let there = crop(RED, JEANS, SAND, [1.08, 1.0, 0.88]);
        for other in [crop(GREEN, JEANS, GREY, DAY), crop(RED, SAND, GREY, DAY), crop(NAVY, JEANS, GREY, DAY)] {
            assert!(alike(&here, &there) > alike(&here, &other) + 0.05, "{} {}", alike(&here, &there), alike(&here, &other));
        }
    }

    #[test]
    fn the_wall_behind_counts_little() {
        let (grey, sand) = (crop(RED, NAVY, GREY, DAY), crop(RED, NAVY, SAND, DAY));
        assert!(alike(&grey, &sand) > 0.9, "{}", alike(&grey, &sand));
    }

    #[test]
    fn each_stripe_is_two_histograms_of_known_length() {
        assert_eq!(disc().count(), CELLS);
        let bins = of(&crop(RED, JEANS, GREY, DAY));
        assert_eq!(bins.len(), LEN);
        for stripe in bins.chunks_exact(STRIPE) {
            let norm = |part: &[f32]| part.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!((norm(&stripe[..LIGHT]) - LIGHTNESS).abs() < 1e-3 && (norm(&stripe[LIGHT..]) - 1.0).abs() < 1e-3);
        }
    }

    proptest! {
        #[test]
        fn any_picture_has_finite_bins(
            shirt in any::<[u8; 3]>(), trousers in any::<[u8; 3]>(), wall in any::<[u8; 3]>(),
            light in [0f32..3.0, 0f32..3.0, 0f32..3.0],
        ) {
            let bins = of(&crop(shirt, trousers, wall, light));
            prop_assert!(bins.len() == LEN && bins.iter().all(|v| v.is_finite() && (0.0..=1.0).contains(v)));
        }
    }
}
