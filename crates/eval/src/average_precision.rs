//! Average precision as COCO defines it (Lin et al., "Microsoft COCO", 2014; `pycocotools`): greedy matching by score
//! within each image, at most 100 detections an image, precision interpolated at 101 recalls, averaged over the
//! overlaps .50, .55, ... .95.

use types::Rect;

/// One image's boxes of one class.
#[derive(Debug, Default, Clone)]
pub(crate) struct ImageBoxes {
    pub(crate) truth: Vec<Rect>,
    /// With their scores, in any order.
    pub(crate) found: Vec<(f32, Rect)>,
}

/// Over .50:.95 and at .50; `None` where nothing of the class is labelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AveragePrecision {
    pub(crate) ap: f64,
    pub(crate) ap50: f64,
}

const MAX_DETECTIONS: usize = 100;

pub(crate) fn average_precision(images: &[ImageBoxes]) -> Option<AveragePrecision> {
    let truth: usize = images.iter().map(|i| i.truth.len()).sum();
    if truth == 0 {
        return None;
    }
    let at: Vec<f64> = (0..10).map(|k| at_overlap(images, truth, 0.5 + 0.05 * k as f32)).collect();
    Some(AveragePrecision { ap: at.iter().sum::<f64>() / at.len() as f64, ap50: at[0] })
}

fn at_overlap(images: &[ImageBoxes], truth: usize, overlap: f32) -> f64 {
    let mut hits: Vec<(f32, bool)> = images.iter().flat_map(|image| match_image(image, overlap)).collect();
    hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut curve) = (0usize, Vec::with_capacity(hits.len()));
    for (rank, (_, hit)) in hits.iter().enumerate() {
        right += usize::from(*hit);
        curve.push((right as f64 / truth as f64, right as f64 / (rank + 1) as f64));
    }
    // Precision at a recall is the best at that recall or beyond.
    for i in (1..curve.len()).rev() {
        curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
    }
    let precision_at = |recall: f64| curve.get(curve.partition_point(|c| c.0 < recall)).map_or(0.0, |c| c.1);
    (0..=100).map(|r| precision_at(f64::from(r) / 100.0)).sum::<f64>() / 101.0
}

/// Each detection, best first, takes the free label it overlaps most.
fn match_image(image: &ImageBoxes, overlap: f32) -> Vec<(f32, bool)> {
    let mut found = image.found.clone();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(MAX_DETECTIONS);
    let mut free = vec![true; image.truth.len()];
    found
        .into_iter()
        .map(|(score, bbox)| {
            let best = (0..free.len())
                .filter(|&i| free[i])
                .map(|i| (i, bbox.iou(&image.truth[i])))
                .filter(|(_, iou)| *iou >= overlap.min(1.0 - 1e-6))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((i, _)) = best {
                free[i] = false;
            }
            (score, best.is_some())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f32) -> Rect {
        Rect::new(x, 0.0, 10.0, 10.0)
    }

    #[test]
    fn perfect_boxes_score_one_and_no_boxes_score_zero() {
        let perfect = ImageBoxes { truth: vec![at(0.0), at(50.0)], found: vec![(0.9, at(0.0)), (0.5, at(50.0))] };
        let got = average_precision(&[perfect]).unwrap();
        assert!((got.ap - 1.0).abs() < 1e-9 && (got.ap50 - 1.0).abs() < 1e-9);
        let blind = ImageBoxes { truth: vec![at(0.0)], found: vec![] };
        assert_eq!(average_precision(&[blind]).unwrap().ap50, 0.0);
        assert_eq!(average_precision(&[ImageBoxes::default()]), None);
    }

    #[test]
    fn a_second_box_on_the_same_figure_is_a_false_alarm() {
        let twice = ImageBoxes { truth: vec![at(0.0), at(50.0)], found: vec![(0.9, at(0.0)), (0.8, at(0.5)), (0.7, at(50.0))] };
        // Precision 1 up to recall .5, then 2/3: (51 + 50 * 2/3) / 101.
        let want = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((average_precision(&[twice]).unwrap().ap50 - want).abs() < 1e-9);
    }

    #[test]
    fn a_box_that_overlaps_by_two_thirds_counts_up_to_65_percent() {
        let loose = ImageBoxes { truth: vec![at(0.0)], found: vec![(0.9, at(2.0))] };
        let got = average_precision(&[loose]).unwrap();
        assert!((got.ap - 0.4).abs() < 1e-9, "{got:?}");
    }
}
