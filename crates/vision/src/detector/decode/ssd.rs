//! SSDLite (Liu et al., 2016; Sandler et al., 2018) from its twelve heads, at any input size. Anchors keep the size in
//! pixels that they had at the 300x300 the model was trained at, and their centres follow from the padding of its
//! stride-2 convolutions.

use types::Class;

use super::candidate::{Candidate, Least, WrongLength, best, check, push, sigmoid};
use crate::letterbox::Layout;

pub(super) const LEVELS: usize = 6;
/// COCO's 90 numbered classes and the background.
const CLASSES: usize = 91;
const BASE: f32 = 300.0;
const SCALES: [f32; LEVELS + 1] = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0];

/// Of a class in the 90 numbers of COCO.
const fn coco91(class: Class) -> usize {
    match class {
        Class::Person => 1,
        Class::Bicycle => 2,
        Class::Car => 3,
        Class::Motorcycle => 4,
        Class::Bus => 6,
        Class::Truck => 8,
        Class::Backpack => 27,
        Class::Umbrella => 28,
        Class::Handbag => 31,
        Class::Suitcase => 33,
    }
}

/// One axis of one level: cells, input pixels a cell, and the centre of the first one.
#[derive(Debug, Clone, Copy)]
struct Axis {
    cells: usize,
    step: f32,
    first: f32,
}

/// Follows TensorFlow's SAME padding through the chain of 3x3 stride-2 convolutions.
fn axis(len: usize, level: usize) -> Axis {
    let (mut n, mut step, mut first) = (len, 1.0f32, 0.0f32);
    for _ in 0..level + 4 {
        let cells = n.div_ceil(2);
        let before = ((cells - 1) * 2 + 3).saturating_sub(n) / 2;
        first += step * (1.0 - before as f32);
        step *= 2.0;
        n = cells;
    }
    Axis { cells: n, step, first }
}

/// The axis with its centres corrected by how the training's anchors lay off the cells at 300 pixels.
fn centres(len: usize, level: usize) -> Axis {
    let base = axis(BASE as usize, level);
    let offset = (0..base.cells)
        .map(|i| base.step * i as f32 + base.first - ((i as f32 + 0.5) * BASE / base.cells as f32 - 0.5))
        .sum::<f32>()
        / base.cells as f32;
    let axis = axis(len, level);
    Axis { first: axis.first - offset + 0.5, ..axis }
}

/// Scale and aspect of the anchors of a level.
fn shapes(level: usize) -> Vec<(f32, f32)> {
    if level == 0 {
        return vec![(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)];
    }
    let s = SCALES[level];
    vec![(s, 1.0), (s, 2.0), (s, 0.5), (s, 3.0), (s, 0.3333), ((s * SCALES[level + 1]).sqrt(), 1.0)]
}

/// Anchors of a level.
#[cfg(test)]
pub(super) fn cells(layout: &Layout, level: usize) -> usize {
    axis(layout.height, level).cells * axis(layout.width, level).cells * shapes(level).len()
}

/// One level: `boxes` are `[anchors, 4]` as centre y, x, height, width relative to the anchor; `scores` are `[anchors, 91]`
/// before the sigmoid.
pub(super) fn decode(
    boxes: &[f32],
    scores: &[f32],
    layout: &Layout,
    level: usize,
    least: Least,
    out: &mut Vec<Candidate>,
) -> Result<(), WrongLength> {
    let (ys, xs) = (centres(layout.height, level), centres(layout.width, level));
    let shapes = shapes(level);
    let anchors = ys.cells * xs.cells * shapes.len();
    check("boxes", anchors * 4, boxes.len())?;
    check("class scores", anchors * CLASSES, scores.len())?;
    // Compare before the sigmoid: it costs more than the rest of the loop.
    let logit = (least.score / (1.0 - least.score).max(1e-6)).max(1e-6).ln();
    for (i, (b, scores)) in boxes.chunks_exact(4).zip(scores.chunks_exact(CLASSES)).enumerate() {
        let (class, score) = best(least.of, |c| scores[coco91(c)]);
        if score <= logit {
            continue;
        }
        let (cell, (scale, aspect)) = (i / shapes.len(), shapes[i % shapes.len()]);
        let (ah, aw) = (scale / aspect.sqrt() * BASE, scale * aspect.sqrt() * BASE);
        let ay = ys.step * (cell / xs.cells) as f32 + ys.first;
        let ax = xs.step * (cell % xs.cells) as f32 + xs.first;
        let (y, x) = (b[0] / 10.0 * ah + ay, b[1] / 10.0 * aw + ax);
        let (h, w) = ((b[2] / 5.0).exp() * ah / 2.0, (b[3] / 5.0).exp() * aw / 2.0);
        push(out, class, sigmoid(score), [x - w, y - h, x + w, y + h]);
    }
    Ok(())
}
