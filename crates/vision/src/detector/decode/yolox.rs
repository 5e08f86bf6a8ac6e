//! YOLOX (Ge et al., 2021): anchor-free, one row of box, objectness and 80 class scores a cell.

use types::Class;

use super::candidate::{Candidate, Least, STRIDES, WrongLength, best, check, push};
use crate::letterbox::Layout;

const ROW: usize = 85;

pub(super) fn decode(rows: &[f32], layout: &Layout, least: Least, out: &mut Vec<Candidate>) -> Result<(), WrongLength> {
    let cells = |stride: usize| (layout.height / stride) * (layout.width / stride);
    check("rows", STRIDES.into_iter().map(cells).sum::<usize>() * ROW, rows.len())?;
    let mut rest = rows;
    for stride in STRIDES {
        let columns = layout.width / stride;
        let (level, after) = rest.split_at(cells(stride) * ROW);
        rest = after;
        for (cell, row) in level.chunks_exact(ROW).enumerate() {
            // Most cells hold nothing: the objectness alone rules them out.
            if row[4].is_nan() || row[4] <= least.score {
                continue;
            }
            let (class, score) = best(least.of, |c: Class| row[4] * row[5 + c.coco80()]);
            if score <= least.score {
                continue;
            }
            let s = stride as f32;
            let (x, y) = ((row[0] + (cell % columns) as f32) * s, (row[1] + (cell / columns) as f32) * s);
            let (w, h) = (row[2].exp() * s / 2.0, row[3].exp() * s / 2.0);
            push(out, class, score, [x - w, y - h, x + w, y + h]);
        }
    }
    Ok(())
}
