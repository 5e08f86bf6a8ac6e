use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use clap::Args;
use redact::{RedactedCrop, Subject, redact, stored_region, view_region};
use serde::{Deserialize, Serialize};
use types::{Class, Group, Rect};
use vision::VisionOptions;

use super::{
    error::{Cause, EvalError, Outcome, failed},
    input::{Picture, shift},
    models::load_vision,
    table::table,
};

#[derive(Debug, Args)]
pub struct Faces {
    /// Folder of the pictures that the keypoints name
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// COCO person keypoints (JSON)
    #[arg(long, value_name = "JSON")]
    keypoints: PathBuf,
    /// Cut a crop for every labelled box too, so that a face counts whose figure the detector misses
    #[arg(long)]
    labelled_boxes: bool,
}

/// The parts of COCO's format that are read.
#[derive(Deserialize)]
struct Keypoints {
    images: Vec<ImageEntry>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: PathBuf,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    #[serde(default)]
    keypoints: Vec<f32>,
    /// Left, top, width, height.
    bbox: Option<[f32; 4]>,
}

/// Nose, left eye, right eye of one labelled face, in pixels of the picture.
struct Face {
    points: [(f32, f32); 3],
}

impl Face {
    /// `None` unless all three are labelled visible.
    fn new(annotation: &Annotation) -> Option<Self> {
        let point = |i: usize| match annotation.keypoints.get(i * 3..i * 3 + 3)? {
            [x, y, visible] if *visible == 2.0 => Some((*x, *y)),
            _ => None,
        };
        Some(Self { points: [point(0)?, point(1)?, point(2)?] })
    }

    /// In pixels, estimated: an adult face seen from the front is about 2.7 times as high as its eyes are apart and 3.2
    /// times as high as its nose is below them (Farkas, "Anthropometry of the Head and Face", 1994); the larger of both,
    /// since turning the head shortens one of them.
    fn height(&self) -> f32 {
        let [nose, left, right] = self.points;
        let between = ((left.0 + right.0) / 2.0, (left.1 + right.1) / 2.0);
        let apart = (left.0 - right.0).hypot(left.1 - right.1);
        (2.7 * apart).max(3.2 * (nose.0 - between.0).hypot(nose.1 - between.1))
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// Labelled faces, nose and both eyes visible.
    faces: usize,
    /// Of these, none of whose points is to be seen in any crop that would be stored.
    erased: usize,
    recall: f64,
    /// Of the erased, those that lay in no stored crop at all.
    in_no_crop: usize,
    /// Crops that would be stored, and those that were refused because they could not be redacted.
    crops: usize,
    refused: usize,
    by_height: Vec<Bin>,
    /// Faces that were not erased.
    missed: Vec<Missed>,
}

#[derive(Debug, Serialize)]
struct Bin {
    from_px: f32,
    to_px: Option<f32>,
    faces: usize,
    erased: usize,
    recall: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Missed {
    image: String,
    x: f32,
    y: f32,
    height_px: f32,
    /// The box of the figure or vehicle in whose crop it is to be seen: left, top, width, height.
    subject: [f32; 4],
}

const HEIGHTS: [f32; 6] = [0.0, 12.0, 24.0, 48.0, 96.0, f32::INFINITY];

/// A crop that would be stored, with where it was cut.
struct Stored {
    crop: RedactedCrop,
    region: Rect,
    subject: Rect,
}

impl Stored {
    /// `None` outside the crop; else whether the pixel there is erased.
    fn erased(&self, (x, y): (f32, f32)) -> Option<bool> {
        let (dx, dy) = (x - self.region.x, y - self.region.y);
        if dx < 0.0 || dy < 0.0 || dx >= self.region.width || dy >= self.region.height {
            return None;
        }
        let size = self.crop.size();
        let (px, py) = (dx / self.region.width * size.width as f32, dy / self.region.height * size.height as f32);
        Some(self.crop.erased().iter().any(|r| px >= r.x && px < r.right() && py >= r.y && py < r.bottom()))
    }
}

impl Faces {
    pub(super) fn run(&self) -> Outcome<Answer> {
        let read = |cause: Cause| {
            EvalError::because("keypoints", format!("read {}", self.keypoints.display()), cause)
                .with_hint("it should be COCO's person keypoints")
        };
        let text = fs::read_to_string(&self.keypoints).map_err(|e| read(e.into()))?;
        let labels: Keypoints = serde_json::from_str(&text).map_err(|e| read(e.into()))?;
        let (mut faces, mut boxes) = (BTreeMap::<u64, Vec<Face>>::new(), BTreeMap::<u64, Vec<Rect>>::new());
        for annotation in &labels.annotations {
            if let Some(face) = Face::new(annotation) {
                faces.entry(annotation.image_id).or_default().push(face);
            }
            if let Some([x, y, width, height]) = annotation.bbox.filter(|_| self.labelled_boxes) {
                boxes.entry(annotation.image_id).or_default().push(Rect::from_corners(x, y, x + width, y + height));
            }
        }
        let mut vision = load_vision(&VisionOptions::default())?;
        let mut seen: Vec<(f32, bool)> = Vec::new();
        let (mut in_no_crop, mut crops, mut refused, mut missed) = (0, 0, 0, Vec::new());
        for entry in &labels.images {
            let Some(faces) = faces.get(&entry.id) else { continue };
            let picture = Picture::open(&self.images.join(&entry.file_name))?;
            let labelled = boxes.get(&entry.id).map_or(&[][..], Vec::as_slice);
            let stored = stored_crops(&picture, labelled, &mut vision, &mut refused)?;
            crops += stored.len();
            for face in faces {
                let looks = |s: &Stored| face.points.iter().filter_map(|p| s.erased(*p)).collect::<Vec<bool>>();
                let shown = stored.iter().find(|s| looks(s).contains(&false));
                in_no_crop += usize::from(stored.iter().all(|s| looks(s).is_empty()));
                if let Some(Stored { subject: s, .. }) = shown {
                    let ((x, y), subject) = (face.points[0], [s.x, s.y, s.width, s.height]);
                    let image = entry.file_name.display().to_string();
                    missed.push(Missed { image, x, y, height_px: face.height(), subject });
                }
                seen.push((face.height(), shown.is_none()));
            }
        }
        let share = |erased: usize, of: usize| (of > 0).then(|| erased as f64 / of as f64);
        let by_height = HEIGHTS
            .windows(2)
            .map(|w| {
                let of: Vec<bool> = seen.iter().filter(|(h, _)| (w[0]..w[1]).contains(h)).map(|s| s.1).collect();
                let erased = of.iter().filter(|e| **e).count();
                Bin {
                    from_px: w[0],
                    to_px: w[1].is_finite().then_some(w[1]),
                    faces: of.len(),
                    erased,
                    recall: share(erased, of.len()),
                }
            })
            .collect();
        let erased = seen.iter().filter(|s| s.1).count();
        let recall = share(erased, seen.len()).unwrap_or(0.0);
        Ok(Answer { faces: seen.len(), erased, recall, in_no_crop, crops, refused, by_height, missed })
    }
}

/// What the pipeline would store of this picture: a crop of every figure and vehicle found, and of the figures in `labelled` as if
/// each had been found beside those.
fn stored_crops(picture: &Picture, labelled: &[Rect], vision: &mut vision::Vision, refused: &mut usize) -> Outcome<Vec<Stored>> {
    let found = vision.detector.detect_rgb(picture.rgb()?).map_err(failed)?;
    let people: Vec<Rect> = found.iter().filter(|d| d.class == Class::Person).map(|d| d.bbox).collect();
    let subjects = found.iter().filter(|d| d.class.group() != Group::Carried).map(|d| (d.class, d.bbox));
    let mut stored = Vec::new();
    for (class, bbox) in subjects.chain(labelled.iter().map(|bbox| (Class::Person, *bbox))) {
        let region = view_region(&bbox);
        let Some(raw) = picture.crop(&region) else { continue };
        let (x, y) = raw.origin();
        let within = |r: &Rect| shift(r, x, y);
        let overlapping = people.iter().filter(|p| !p.intersect(&region).is_empty()).map(within).collect();
        let subject = Subject { class, bbox: within(&bbox), people: overlapping };
        match redact(raw, &subject, &mut vision.faces) {
            Ok(crop) => {
                let (columns, rows) = stored_region(&bbox).pixels(picture.size).unwrap_or_default();
                let corners = [columns.start, rows.start, columns.end, rows.end].map(|v| v as f32);
                let region = Rect::from_corners(corners[0], corners[1], corners[2], corners[3]);
                stored.push(Stored { crop, region, subject: bbox });
            }
            Err(_) => *refused += 1,
        }
    }
    Ok(stored)
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |b: &Bin| {
            let to = b.to_px.map_or(String::new(), |t| t.to_string());
            let recall = b.recall.map_or("-".into(), |r| format!("{r:.3}"));
            [format!("{}..{to}", b.from_px), b.faces.to_string(), b.erased.to_string(), recall]
        };
        let Self { faces, erased, recall, crops, refused, by_height, missed, .. } = self;
        let rows = table(["HEIGHT PX", "FACES", "ERASED", "SHARE"], &by_height.iter().map(row).collect::<Vec<_>>());
        write!(f, "{erased} of {faces} faces erased ({recall:.3}); {crops} crops, {refused} refused\n{rows}")?;
        for Missed { image, x, y, height_px, subject: [left, top, width, height] } in missed {
            write!(f, "\nnot erased: {image} at {x:.0},{y:.0}, {height_px:.0} px high, ")?;
            write!(f, "in the crop of {left:.0},{top:.0} {width:.0}x{height:.0}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_counts_only_with_nose_and_both_eyes_visible() {
        let points = |v: [f32; 3]| Annotation {
            image_id: 1,
            keypoints: [[10.0, 20.0, v[0]], [14.0, 16.0, v[1]], [6.0, 16.0, v[2]]].concat(),
            bbox: None,
        };
        let face = Face::new(&points([2.0, 2.0, 2.0])).unwrap();
        assert!((face.height() - 21.6).abs() < 0.01, "{}", face.height());
        assert!(Face::new(&points([2.0, 1.0, 2.0])).is_none());
        assert!(Face::new(&Annotation { image_id: 1, keypoints: vec![1.0], bbox: None }).is_none());
    }
}
