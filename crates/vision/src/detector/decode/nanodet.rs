//! NanoDet with the generalised focal loss' head (Li et al., 2020): each side of a box is a distribution over 11 distances.

use types::Class;

use super::candidate::{Candidate, Least, WrongLength, best, check, push};
use crate::letterbox::Layout;

const CLASSES: usize = 80;
const BINS: usize = 11;

/// One level: `scores` are `[cells, 80]` after the sigmoid, `sides` are `[cells, 4 * 11]` before the softmax.
pub(super) fn decode(
    scores: &[f32],
    sides: &[f32],
    layout: &Layout,
    stride: usize,
    least: Least,
    out: &mut Vec<Candidate>,
) -> Result<(), WrongLength> {
    let (rows, columns) = (layout.height / stride, layout.width / stride);
    check("class scores", rows * columns * CLASSES, scores.len())?;
    check("box sides", rows * columns * 4 * BINS, sides.len())?;
    for (cell, scores) in scores.chunks_exact(CLASSES).enumerate() {
        let (class, score) = best(least.of, |c: Class| scores[c.coco80()]);
        if score.is_nan() || score <= least.score {
            continue;
        }
        let bins = &sides[cell * 4 * BINS..][..4 * BINS];
        let side = |i: usize| expectation(&bins[i * BINS..][..BINS]) * stride as f32;
        let centre = |i: usize| (i * stride) as f32 + 0.5 * (stride as f32 - 1.0);
        let (x, y) = (centre(cell % columns), centre(cell / columns));
        push(out, class, score, [x - side(0), y - side(1), x + side(2), y + side(3)]);
    }
    Ok(())
}

/// Mean of the distribution whose logits these are.
fn expectation(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let (mut sum, mut mean) = (0.0, 0.0);
    for (i, l) in logits.iter().enumerate() {
        let e = (l - most).exp();
        sum += e;
        mean += e * i as f32;
    }
    mean / sum
}
