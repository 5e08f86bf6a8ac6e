//! Which pixels of a crop are its figure: those in the middle whose colour the surroundings lack.

use redact::RedactedCrop;

use crate::{
    lab::{Lab, Light, for_each_kept},
    silhouette::Silhouette,
};

/// Share of the box above the body: head and shoulders, mostly erased.
pub(crate) const TOP: f32 = 0.2;
/// Share of the box above the feet: they move, and half of what is around them is ground.
pub(crate) const BOTTOM: f32 = 0.9;

/// Width of a figure, as the standard deviation about the middle of its box: of the body, and of the legs.
const BODY: f32 = 0.22;
const LEGS: f32 = 0.18;
/// Share of the box above the legs.
const HIPS: f32 = 0.48;
/// Outer share of the box on each side that is surroundings, as is everything beyond it and at its feet.
const RIM: f32 = 0.08;

/// A kept pixel: where it is in the subject's box (0..1 inside), and its colour.
pub(crate) struct Pixel {
    pub(crate) u: f32,
    pub(crate) v: f32,
    pub(crate) colour: Lab,
    /// How much of it the mask says is figure; 1 where there is none.
    pub(crate) cover: f32,
}

/// Every kept pixel of a crop, its colour seen in this light.
pub(crate) fn pixels(crop: &RedactedCrop, light: Light, seen: &Silhouette) -> Vec<Pixel> {
    let width = crop.size().width as usize;
    let r = crop.subject();
    let mut pixels = Vec::new();
    for_each_kept(crop, |x, y, rgb| {
        let (u, v) = ((x as f32 + 0.5 - r.x) / r.width, (y as f32 + 0.5 - r.y) / r.height);
        let cover = seen.cover().and_then(|c| c.get(y * width + x)).copied().unwrap_or(1.0);
        pixels.push(Pixel { u, v, colour: light.apply(rgb), cover });
    });
    pixels
}

impl Pixel {
    /// Below the head, above the feet, within the box.
    pub(crate) fn in_figure(&self) -> bool {
        (0.0..1.0).contains(&self.u) && (TOP..BOTTOM).contains(&self.v)
    }

    fn in_rim(&self) -> bool {
        !(RIM..1.0 - RIM).contains(&self.u) || self.v >= BOTTOM
    }

    /// How likely a pixel there is to be figure, by its place alone.
    fn middle(&self) -> f32 {
        let width = if self.v < HIPS { BODY } else { LEGS };
        (-((self.u - 0.5) / width).powi(2) / 2.0).exp()
    }
}

/// How much of each colour is figure, from histograms of the middle and of the rim of the crop.
pub(crate) struct Figure {
    share: Vec<f32>,
}

/// Cells of lightness and of each colour axis.
const L: usize = 8;
const A: usize = 12;
/// Chroma of the outermost cells, and how fast the cells grow towards them.
const REACH: f32 = 60.0;
const GROWTH: f32 = 0.1;

impl Figure {
    pub(crate) fn new(pixels: &[Pixel]) -> Self {
        let (mut figure, mut rim) = (vec![0.0; L * A * A], vec![0.0; L * A * A]);
        for p in pixels {
            if p.in_rim() {
                rim[cell(p.colour)] += 1.0;
            }
            if p.in_figure() {
                figure[cell(p.colour)] += p.middle();
            }
        }
        let (figure, rim) = (smooth(&figure), smooth(&rim));
        Self { share: figure.iter().zip(&rim).map(|(f, r)| f / (f + r + 1e-6)).collect() }
    }

    /// 0 for a colour of the surroundings alone, 1 for one of the figure alone.
    pub(crate) fn share(&self, colour: Lab) -> f32 {
        self.share[cell(colour)]
    }

    /// How much a pixel of the figure counts, by its place and its colour, 0 to 1.
    pub(crate) fn weight(&self, p: &Pixel) -> f32 {
        p.middle() * self.share(p.colour).powi(2)
    }
}

fn cell(c: Lab) -> usize {
    let q = |v: f32, bins: usize| ((v * bins as f32).max(0.0) as usize).min(bins - 1);
    let axis = |v: f32| q(((GROWTH * v.abs()).ln_1p() / (GROWTH * REACH).ln_1p()).copysign(v) / 2.0 + 0.5, A);
    (q(c.l / 100.0, L) * A + axis(c.a)) * A + axis(c.b)
}

/// Spreads each cell over its neighbours (1, 2, 1 along each axis) and scales the sum to 1.
fn smooth(cells: &[f32]) -> Vec<f32> {
    let mut now = cells.to_vec();
    for (stride, len) in [(1, A), (A, A), (A * A, L)] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_of_the_rim_counts_less_than_one_of_the_middle_alone() {
        let (cloth, wall) = (Lab { l: 40.0, a: 30.0, b: 10.0 }, Lab { l: 70.0, a: 0.0, b: 5.0 });
        let grid = (0..100).flat_map(|y| (0..50).map(move |x| (x as f32 / 50.0, y as f32 / 100.0)));
        let pixels: Vec<Pixel> =
            grid.map(|(u, v)| Pixel { u, v, colour: if (u - 0.5).abs() < 0.25 { cloth } else { wall }, cover: 1.0 }).collect();
        let figure = Figure::new(&pixels);
        let at = |colour| figure.weight(&Pixel { u: 0.5, v: 0.4, colour, cover: 1.0 });
        assert!(at(cloth) > 0.5 && at(wall) < 0.1, "{} {}", at(cloth), at(wall));
        // And a pixel counts less the farther it is from the middle.
        assert!(figure.weight(&Pixel { u: 0.85, v: 0.4, colour: cloth, cover: 1.0 }) < 0.35 * at(cloth));
    }

    #[test]
    fn without_surroundings_or_without_a_figure_nothing_panics() {
        assert_eq!(Figure::new(&[]).weight(&Pixel { u: 0.5, v: 0.5, colour: Lab { l: 0.0, a: 0.0, b: 0.0 }, cover: 1.0 }), 0.0);
        let one = [Pixel { u: 0.5, v: 0.5, colour: Lab { l: 50.0, a: f32::INFINITY, b: -1e9 }, cover: 1.0 }];
        assert!(Figure::new(&one).weight(&one[0]).is_finite());
    }
}
