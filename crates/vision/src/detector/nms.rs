//! Greedy non-maximum suppression, class by class.

use super::decode::Candidate;

/// Boxes of one class that overlap more are one object.
const OVERLAP: f32 = 0.5;
/// A frame with more candidates than this keeps the best: time and memory stay bounded whatever the model answers.
const MOST_CANDIDATES: usize = 2000;
const MOST_KEPT: usize = 300;

/// Moves what is kept to the front, best first, and says how many.
pub(crate) fn suppress(all: &mut Vec<Candidate>) -> usize {
    // Models in 8 bits give many boxes one score: of those the first stays the first, in every run.
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(MOST_CANDIDATES);
    let mut kept = 0;
    for i in 0..all.len() {
        let candidate = all[i];
        let doubled = |k: &Candidate| k.class == candidate.class && iou(&k.corners, &candidate.corners) > OVERLAP;
        if kept < MOST_KEPT && !all[..kept].iter().any(doubled) {
            all[kept] = candidate;
            kept += 1;
        }
    }
    kept
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |r: &[f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let shared = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    shared / (area(a) + area(b) - shared + 1e-9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Class;

    use super::*;

    fn candidate() -> impl Strategy<Value = Candidate> {
        let class = prop_oneof![Just(Class::Person), Just(Class::Car)];
        (0f32..90.0, 0f32..90.0, 1f32..50.0, 1f32..50.0, 0f32..1.0, class).prop_map(|(x, y, w, h, score, class)| Candidate {
            corners: [x, y, x + w, y + h],
            score,
            class,
        })
    }

    proptest! {
        #[test]
        fn no_two_kept_boxes_of_a_class_are_one_object_and_the_best_is_kept(mut all in prop::collection::vec(candidate(), 1..60)) {
            let best = all.iter().map(|c| c.score).fold(0.0, f32::max);
            let kept = suppress(&mut all);
            prop_assert!(kept >= 1 && all[0].score == best);
            for (i, a) in all[..kept].iter().enumerate() {
                for b in &all[..i] {
                    prop_assert!(a.class != b.class || iou(&a.corners, &b.corners) <= OVERLAP);
                }
            }
        }
    }
}
