//! Which pixels of a redacted crop are its figure: BlazePose-lite's mask, and how high its shoulders, hips and ankles are.
//!
//! The model sees the crop as it is stored, so that nothing here can follow from a face: the erased head is filled with the
//! colour of what is around it and a plain dark oval stands in for it, without which the model takes shoulders for heads (town,
//! both seeds: shoulders off by 35 pixels of 256 without, by 11 with it). A mask and heights are made for one picture, used for its
//! colours and dropped. They cannot be written, copied or compared, and nothing that is kept has a place for them: they say
//! nothing about who somebody is or how they walk.

use redact::RedactedCrop;
use types::Rect;

use crate::{
    error::VisionError,
    manifest::Role,
    session::{Device, Model, output},
    store::ModelStore,
};

/// Side of the square that the model sees.
const SIDE: usize = 256;
/// How much larger than the figure the square is.
const AROUND: f32 = 1.25;
/// Values of a point in the model's answer, and the points that are read: left and right shoulder, hip and ankle.
const POINT: usize = 5;
const POINTS: usize = 39;
const SHOULDERS: [usize; 2] = [11, 12];
const HIPS: [usize; 2] = [23, 24];
const ANKLES: [usize; 2] = [27, 28];
/// The head that stands in for the erased one, as shares of the box's height, and its colour.
const HEAD_TOP: f32 = 0.02;
const HEAD: f32 = 0.135;
const NECK: (f32, f32) = (0.1, 0.2);
const HEAD_COLOUR: [u8; 3] = [60, 45, 40];
/// A mask that holds less of the box shows nobody.
const LEAST: f32 = 0.04;

/// Finds silhouettes.
pub(crate) struct Silhouettes {
    model: Model,
    tensor: Vec<f32>,
}

impl std::fmt::Debug for Silhouettes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Silhouettes({:?})", self.model)
    }
}

/// What of a crop is its figure. Made by [`Embedder::see`](crate::Embedder::see) for one crop, and of use with that alone.
pub struct Silhouette {
    /// Of each pixel of the crop, 0 to 1; `None` where no figure is told from its surroundings.
    cover: Option<Vec<f32>>,
    /// Shares of the subject's height.
    heights: Option<Heights>,
}

#[derive(Clone, Copy)]
pub(crate) struct Heights {
    pub(crate) shoulders: f32,
    pub(crate) hips: f32,
    pub(crate) ankles: f32,
}

impl std::fmt::Debug for Silhouette {
    /// Says nothing of what it holds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Silhouette")
    }
}

/// Fails to compile as soon as a silhouette can be copied, compared or written.
const _: fn() = || {
    trait Lacks<Which> {
        fn proof() {}
    }
    struct Copied;
    struct Compared;
    struct Written;
    impl<T: ?Sized> Lacks<()> for T {}
    impl<T: ?Sized + Clone> Lacks<Copied> for T {}
    impl<T: ?Sized + PartialEq> Lacks<Compared> for T {}
    impl<T: ?Sized + serde::Serialize> Lacks<Written> for T {}
    let _: fn() = <Silhouette as Lacks<_>>::proof;
};

impl Silhouette {
    /// Of a crop in which no figure is told from its surroundings: a vehicle's.
    pub(crate) fn unknown() -> Self {
        Self { cover: None, heights: None }
    }

    pub(crate) fn cover(&self) -> Option<&[f32]> {
        self.cover.as_deref()
    }

    pub(crate) fn heights(&self) -> Option<Heights> {
        self.heights
    }
}

/// From pixels of the crop to those of the square.
#[derive(Clone, Copy)]
struct Square {
    scale: f32,
    x: f32,
    y: f32,
}

impl Square {
    fn of(subject: &Rect) -> Self {
        let (x, y) = subject.centre();
        Self { scale: SIDE as f32 / (AROUND * subject.width.max(subject.height)).max(1.0), x, y }
    }

    fn to(self, at: f32, middle: f32) -> f32 {
        (at - middle) * self.scale + SIDE as f32 / 2.0
    }

    fn from(self, at: f32, middle: f32) -> f32 {
        (at - SIDE as f32 / 2.0) / self.scale + middle
    }
}

impl Silhouettes {
    pub(crate) fn load(store: &ModelStore) -> Result<Self, VisionError> {
        let model = Model::load(store, store.choose(None, Role::Figure)?, Device::Cpu)?;
        Ok(Self { model, tensor: Vec::new() })
    }

    pub(crate) fn digest(&self) -> types::ModelDigest {
        self.model.digest
    }

    pub(crate) fn of(&mut self, crop: &RedactedCrop) -> Result<Silhouette, VisionError> {
        if !is_figure(crop) {
            return Ok(Silhouette::unknown());
        }
        let (size, subject) = (crop.size(), crop.subject());
        let square = Square::of(&subject);
        let picture = with_a_head(crop);
        let (width, height) = (size.width as usize, size.height as usize);
        self.tensor.clear();
        self.tensor.resize(3 * SIDE * SIDE, 0.0);
        for y in 0..SIDE {
            let from_y = square.from(y as f32 + 0.5, square.y) - 0.5;
            for x in 0..SIDE {
                let from_x = square.from(x as f32 + 0.5, square.x) - 0.5;
                for (c, value) in sample(&picture, width, height, from_x, from_y).into_iter().enumerate() {
                    self.tensor[(c * SIDE + y) * SIDE + x] = value / 255.0;
                }
            }
        }
        let answers = self.model.run(&self.tensor, SIDE, SIDE)?;
        let (mask, points) = (answers.get("mask")?.1, answers.get("points")?.1);
        if mask.len() != SIDE * SIDE || points.len() != POINTS * POINT || mask.iter().chain(points).any(|v| !v.is_finite()) {
            return Err(output(answers.name(), "a mask or points that are not what they should be".into()));
        }
        let at = |x: usize, y: usize| {
            let (x, y) = (square.to(x as f32 + 0.5, square.x) - 0.5, square.to(y as f32 + 0.5, square.y) - 0.5);
            nearest(mask, x, y)
        };
        let cover: Vec<f32> = (0..height).flat_map(|y| (0..width).map(move |x| at(x, y))).collect();
        let inside: f32 = cover.iter().sum();
        let heights = heights(points).map(|h| h.map(|y| (square.from(y, square.y) - subject.y) / subject.height));
        Ok(Silhouette {
            cover: (inside > LEAST * subject.area()).then_some(cover),
            heights: heights.map(|[shoulders, hips, ankles]| Heights { shoulders, hips, ankles }),
        })
    }
}

/// Whether a crop's subject is a figure: of those, and of nothing else, the head's region is erased.
fn is_figure(crop: &RedactedCrop) -> bool {
    let r = crop.subject();
    let head = Rect::new(r.x + 0.15 * r.width, r.y + 0.02 * r.height, 0.7 * r.width, 0.14 * r.height);
    crop.erased().iter().any(|e| head.share_inside(e) > 0.99)
}

/// Means of left and right, from top to bottom; `None` where they are not in that order, as of somebody who lies.
fn heights(points: &[f32]) -> Option<[f32; 3]> {
    let y = |pair: [usize; 2]| (points[pair[0] * POINT + 1] + points[pair[1] * POINT + 1]) / 2.0;
    let [shoulders, hips, ankles] = [SHOULDERS, HIPS, ANKLES].map(y);
    let apart = 0.08 * SIDE as f32;
    (hips - shoulders > apart && ankles - hips > apart).then_some([shoulders, hips, ankles])
}

/// The crop's pixels with the erased regions in the colour of what is beside them and a plain head where the figure's was.
fn with_a_head(crop: &RedactedCrop) -> Vec<u8> {
    let (size, r) = (crop.size(), crop.subject());
    let (width, height) = (size.width as usize, size.height as usize);
    let mut rgb = crop.rgb().to_vec();
    let mut erased = vec![false; width * height];
    let (mut top, mut bottom) = (height, 0);
    for e in crop.erased() {
        let (columns, rows) = e.pixels(size).unwrap_or_default();
        (top, bottom) = (top.min(rows.start), bottom.max(rows.end));
        rows.for_each(|y| erased[y * width + columns.start..y * width + columns.end].fill(true));
    }
    let kept = |x: usize, y: usize| (!erased[y * width + x]).then(|| [0, 1, 2].map(|c| crop.rgb()[(y * width + x) * 3 + c]));
    let edge = [0, 1, width.saturating_sub(2), width - 1];
    let beside_row = |y: usize| edge.into_iter().filter(move |x| *x < width).filter_map(move |x| kept(x, y));
    let mut beside: Vec<[u8; 3]> = (top..(bottom + 4).min(height)).flat_map(beside_row).collect();
    if beside.len() < 5 {
        beside = (0..width * height).filter_map(|i| kept(i % width, i / width)).collect();
    }
    let around = [0, 1, 2].map(|c| {
        let mut values: Vec<u8> = beside.iter().map(|p| p[c]).collect();
        let middle = values.len() / 2;
        if values.is_empty() { 0 } else { *values.select_nth_unstable(middle).1 }
    });
    let head = HEAD * r.height;
    let (cx, cy) = (r.x + r.width / 2.0, r.y + HEAD_TOP * r.height + head / 2.0);
    let neck = Rect::from_corners(cx - 0.2 * head, r.y + NECK.0 * r.height, cx + 0.2 * head, r.y + NECK.1 * r.height);
    for (i, p) in rgb.chunks_exact_mut(3).enumerate().filter(|(i, _)| erased[*i]) {
        let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        let oval = ((x - cx) / (0.38 * head).max(0.5)).powi(2) + ((y - cy) / (0.5 * head).max(0.5)).powi(2) <= 1.0;
        let in_neck = x > neck.x && x < neck.right() && y > neck.y && y < neck.bottom();
        p.copy_from_slice(if oval || in_neck { &HEAD_COLOUR } else { &around });
    }
    rgb
}

/// Bilinear; black outside.
fn sample(rgb: &[u8], width: usize, height: usize, x: f32, y: f32) -> [f32; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (sx, sy) = (x - left, y - top);
    let mut sum = [0.0f32; 3];
    for (row, wy) in [(top, 1.0 - sy), (top + 1.0, sy)] {
        for (column, wx) in [(left, 1.0 - sx), (left + 1.0, sx)] {
            if row >= 0.0 && column >= 0.0 && row < height as f32 && column < width as f32 {
                let at = (row as usize * width + column as usize) * 3;
                sum.iter_mut().zip(&rgb[at..at + 3]).for_each(|(s, v)| *s += wx * wy * f32::from(*v));
            }
        }
    }
    sum
}

/// The mask there; none outside. It is smooth, and finer than the crop.
fn nearest(mask: &[f32], x: f32, y: f32) -> f32 {
    let side = SIDE as f32 - 0.5;
    if x < -0.5 || y < -0.5 || x >= side || y >= side {
        return 0.0;
    }
    mask[(y.round().max(0.0) as usize) * SIDE + x.round().max(0.0) as usize].clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use redact::{FaceFinder, FaceFinderError, FoundFace, Subject, redact};
    use types::{Class, RawCrop, Size};

    use super::*;

    struct NoFaces;

    impl FaceFinder for NoFaces {
        fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
            Ok(Vec::new())
        }
    }

    fn crop(class: Class) -> RedactedCrop {
        let size = Size { width: 60, height: 140 };
        let raw = RawCrop::new([90, 120, 200].repeat(60 * 140), size, (0, 0)).unwrap();
        let subject = Subject { class, bbox: Rect::new(6.0, 10.0, 48.0, 120.0), people: Vec::new() };
        redact(raw, &subject, &mut NoFaces).unwrap()
    }

    #[test]
    fn a_figure_is_told_from_a_vehicle_by_its_erased_head() {
        assert!(is_figure(&crop(Class::Person)) && !is_figure(&crop(Class::Car)));
    }

    #[test]
    fn the_erased_head_is_replaced_and_nothing_else_is_touched() {
        let crop = crop(Class::Person);
        let shown = with_a_head(&crop);
        let width = crop.size().width as usize;
        let at = |x: usize, y: usize| [0, 1, 2].map(|c| shown[(y * width + x) * 3 + c]);
        assert_eq!(at(29, 20), HEAD_COLOUR);
        assert_eq!(at(8, 12), [90, 120, 200], "beside the head, as what is around it");
        assert_eq!(at(30, 80), [90, 120, 200]);
    }

    #[test]
    fn who_lies_has_no_heights() {
        let mut points = vec![0.0; POINTS * POINT];
        assert!(heights(&points).is_none());
        for (i, y) in [(11, 60.0), (12, 64.0), (23, 120.0), (24, 120.0), (27, 200.0), (28, 210.0)] {
            points[i * POINT + 1] = y;
        }
        assert_eq!(heights(&points), Some([62.0, 120.0, 205.0]));
    }

    #[test]
    fn what_a_silhouette_holds_is_never_shown() {
        let seen = Silhouette { cover: Some(vec![0.731]), heights: Some(Heights { shoulders: 0.2, hips: 0.5, ankles: 0.9 }) };
        assert_eq!(format!("{seen:?}"), "Silhouette");
    }
}
