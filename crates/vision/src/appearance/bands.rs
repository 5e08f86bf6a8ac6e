//! Soft colour histograms of four bands of the figure: chest, belly, thighs and shins.
//!
//! What is figure says the [`Silhouette`]; where none is told, the colours that the surroundings lack. How the constants were chosen
//! is in `benches/README.md`. Each histogram goes through a fixed linear map (`models/colour.basis`, made of random cloth in random
//! light by `models/convert/colour_basis.py`), in which what light changes counts less.

use std::sync::LazyLock;

use redact::RedactedCrop;

use crate::{
    figure::{Figure, Pixel, pixels},
    lab::{Lab, Light},
    silhouette::{Heights, Silhouette},
};

const BANDS: usize = 4;
/// Bins of lightness and of each colour axis, and the chroma of the outermost ones.
const BINS: [usize; 3] = [5, 8, 8];
const ALL: usize = BINS[0] * BINS[1] * BINS[2];
const REACH: f32 = 60.0;
/// Values of a band.
const BAND: usize = 48;
pub(super) const LEN: usize = BANDS * BAND;

/// How much of the light's colour is taken out, by the grey world of the stored crop, and of its strength, by the crop's mean
/// brightness: what a dim camera shows dark is the same cloth.
const DISCOUNT: f32 = 0.9;
const EXPOSURE: f32 = 0.5;
/// Recipe 6: of the colour so much, of the strength nothing. It may not change.
const DISCOUNT_BEFORE: f32 = 0.8;
/// Borders of the bands as shares of the box of somebody upright; those from the points count as much.
const BORDERS: [f32; BANDS + 1] = [0.18, 0.34, 0.5, 0.72, 0.93];
/// A pixel that is less than this figure is none.
const SURE: f32 = 0.3;
/// A band with the weight of fewer pixels shows nothing.
const LEAST: f32 = 2.0;

/// `BAND` rows of `ALL` values.
static BASIS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../../models/colour.basis");
    const { assert!(include_bytes!("../../../../models/colour.basis").len() == BAND * ALL * 4) };
    bytes.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect()
});

/// Unit vectors of each band, from the shoulders down; zeros where a band shows nothing.
pub(super) fn of(crop: &RedactedCrop, seen: &Silhouette) -> Vec<f32> {
    in_light(crop, seen, Light::with_exposure(crop, DISCOUNT, EXPOSURE))
}

/// As recipe 6 has it.
pub(super) fn unexposed(crop: &RedactedCrop, seen: &Silhouette) -> Vec<f32> {
    in_light(crop, seen, Light::grey_world(crop, DISCOUNT_BEFORE))
}

fn in_light(crop: &RedactedCrop, seen: &Silhouette, light: Light) -> Vec<f32> {
    let pixels = pixels(crop, light, seen);
    let borders = borders(seen.heights());
    let figure = seen.cover().is_none().then(|| Figure::new(&pixels));
    let weight = |p: &Pixel| match &figure {
        Some(figure) if p.in_figure() => figure.weight(p),
        Some(_) => 0.0,
        None => p.cover,
    };
    let mut bands = [[0.0f32; ALL]; BANDS];
    for p in &pixels {
        let Some(band) = (0..BANDS).find(|&k| (borders[k]..borders[k + 1]).contains(&p.v)) else { continue };
        let weight = weight(p);
        if figure.is_some() || weight > SURE {
            add(&mut bands[band], p.colour, weight);
        }
    }
    let mut values = Vec::with_capacity(LEN);
    for bins in &mut bands {
        let sum = bins.iter().sum::<f32>();
        bins.iter_mut().for_each(|v| *v = if sum > LEAST { (*v / sum).sqrt() } else { 0.0 });
        let start = values.len();
        values.extend(BASIS.chunks_exact(ALL).map(|row| row.iter().zip(&*bins).map(|(a, b)| a * b).sum::<f32>()));
        super::scale::scale_to(&mut values[start..], 1.0);
    }
    values
}

/// Half from the box, half from the points: the box of somebody upright is surer than the points of a small picture, and knows
/// nothing of who is bent.
fn borders(heights: Option<Heights>) -> [f32; BANDS + 1] {
    let Some(Heights { shoulders, hips, ankles }) = heights else { return BORDERS };
    let points = [shoulders, (shoulders + hips) / 2.0, hips, (hips + ankles) / 2.0, ankles];
    std::array::from_fn(|i| (BORDERS[i] + points[i]) / 2.0)
}

/// Shares a pixel between neighbouring bins.
fn add(bins: &mut [f32; ALL], colour: Lab, weight: f32) {
    let soft = |share: f32, bins: usize| {
        let at = (share * (bins - 1) as f32).clamp(0.0, (bins - 1) as f32);
        let first = (at as usize).min(bins - 2);
        [(first, 1.0 - (at - first as f32)), (first + 1, at - first as f32)]
    };
    let chroma = |v: f32| (v / REACH + 1.0) / 2.0;
    for (l, wl) in soft(colour.l / 100.0, BINS[0]) {
        for (a, wa) in soft(chroma(colour.a), BINS[1]) {
            for (b, wb) in soft(chroma(colour.b), BINS[2]) {
                bins[(l * BINS[1] + a) * BINS[2] + b] += weight * wl * wa * wb;
            }
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
        cosine(&of(a, &Silhouette::unknown()), &of(b, &Silhouette::unknown()))
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
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
        let there = crop(RED, JEANS, GREY, [1.08, 1.0, 0.88]);
        for other in [crop(GREEN, JEANS, GREY, DAY), crop(RED, SAND, GREY, DAY), crop(NAVY, JEANS, GREY, DAY)] {
            assert!(alike(&here, &there) > alike(&here, &other) + 0.05, "{} {}", alike(&here, &there), alike(&here, &other));
        }
    }

    #[test]
    fn the_same_clothes_before_a_dim_camera_are_more_alike_than_other_clothes_in_the_same_light() {
        let day = crop(SAND, JEANS, GREY, DAY);
        let dim = crop(SAND, JEANS, GREY, [0.6; 3]);
        for other in [crop(GREY, JEANS, GREY, DAY), crop(SAND, NAVY, GREY, DAY)] {
            assert!(alike(&day, &dim) > alike(&day, &other), "{} {}", alike(&day, &dim), alike(&day, &other));
        }
        let before = |a: &RedactedCrop, b: &RedactedCrop| {
            cosine(&unexposed(a, &Silhouette::unknown()), &unexposed(b, &Silhouette::unknown()))
        };
        assert!(before(&day, &dim) < alike(&day, &dim), "recipe 6 leaves the strength of the light in");
    }

    #[test]
    fn each_band_is_a_unit_vector_or_nothing() {
        let values = of(&crop(RED, JEANS, GREY, DAY), &Silhouette::unknown());
        assert_eq!(values.len(), LEN);
        for band in values.chunks_exact(BAND) {
            assert!((band.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn points_move_the_bands_half_the_way() {
        let moved = borders(Some(Heights { shoulders: 0.28, hips: 0.6, ankles: 0.93 }));
        assert!((moved[0] - 0.23).abs() < 1e-6 && (moved[2] - 0.55).abs() < 1e-6 && (moved[4] - 0.93).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn any_picture_has_finite_values(
            shirt in any::<[u8; 3]>(), trousers in any::<[u8; 3]>(), wall in any::<[u8; 3]>(),
            light in [0f32..3.0, 0f32..3.0, 0f32..3.0],
        ) {
            let values = of(&crop(shirt, trousers, wall, light), &Silhouette::unknown());
            prop_assert!(values.len() == LEN && values.iter().all(|v| v.is_finite() && v.abs() <= 1.001));
        }
    }
}
