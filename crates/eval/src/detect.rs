use std::{collections::BTreeMap, fmt, path::PathBuf};

use clap::Args;
use serde::Serialize;
use types::{Class, Group};
use vision::{Detector, DetectorOptions, ModelStore};

use super::{
    average_precision::{ImageBoxes, average_precision},
    error::{Outcome, failed, models},
    input::{Picture, pictures, yolo_labels},
    table::table,
};

#[derive(Debug, Args)]
pub struct Detect {
    /// Folder of JPEG or PNG pictures
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Folder of YOLO labels: `<picture>.txt` with `class cx cy w h`, COCO-80 classes, shares of the picture
    #[arg(long, value_name = "DIR")]
    labels: PathBuf,
    /// Only pictures whose name begins so
    #[arg(long, value_name = "PREFIX", default_value = "")]
    only: String,
    /// A detector of `sightline models list` [default: the manifest's]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    model: String,
    images: usize,
    groups: BTreeMap<&'static str, Score>,
    classes: BTreeMap<&'static str, Score>,
}

/// Shares, 0..1; `null` where nothing is labelled.
#[derive(Debug, Clone, Copy, Serialize)]
struct Score {
    ap: Option<f64>,
    ap50: Option<f64>,
    labels: usize,
}

impl Detect {
    pub(super) fn run(&self) -> Outcome<Answer> {
        let store = ModelStore::from_env().map_err(failed)?;
        // As low as COCO's tools expect: the whole curve counts, not one working point.
        let options = DetectorOptions { threshold: 0.01, ..DetectorOptions::default() };
        let mut detector = Detector::load(&store, self.model.as_deref(), options).map_err(models)?;
        let mut boxes: BTreeMap<Class, Vec<ImageBoxes>> = BTreeMap::new();
        let mut images = 0;
        for (stem, path) in pictures(&self.images)?.into_iter().filter(|(stem, _)| stem.starts_with(&self.only)) {
            let picture = Picture::open(&path)?;
            let labels = yolo_labels(&self.labels.join(format!("{stem}.txt")), picture.size)?;
            let found = detector.detect_rgb(picture.rgb()?).map_err(failed)?;
            images += 1;
            for &class in Class::ALL {
                boxes.entry(class).or_default().push(ImageBoxes {
                    truth: labels.iter().filter(|l| l.0 == class).map(|l| l.1).collect(),
                    found: found.iter().filter(|d| d.class == class).map(|d| (d.score, d.bbox)).collect(),
                });
            }
        }
        Ok(Answer {
            model: detector.model_name().to_owned(),
            images,
            groups: Group::ALL.iter().map(|g| (group_name(*g), group_score(&boxes, *g))).collect(),
            classes: boxes.iter().map(|(class, boxes)| (class.as_str(), class_score(boxes))).collect(),
        })
    }
}

fn class_score(boxes: &[ImageBoxes]) -> Score {
    let ap = average_precision(boxes);
    Score { ap: ap.map(|a| a.ap), ap50: ap.map(|a| a.ap50), labels: boxes.iter().map(|i| i.truth.len()).sum() }
}

const fn group_name(group: Group) -> &'static str {
    match group {
        Group::Person => "person",
        Group::Vehicle => "vehicles",
        Group::Carried => "carried",
    }
}

/// The mean over the group's classes that are labelled, as COCO averages classes.
fn group_score(boxes: &BTreeMap<Class, Vec<ImageBoxes>>, group: Group) -> Score {
    let scores: Vec<Score> =
        boxes.iter().filter(|(c, _)| c.group() == group).map(|(_, b)| class_score(b)).filter(|s| s.labels > 0).collect();
    let mean = |get: fn(&Score) -> Option<f64>| {
        (!scores.is_empty()).then(|| scores.iter().filter_map(get).sum::<f64>() / scores.len() as f64)
    };
    Score { ap: mean(|s| s.ap), ap50: mean(|s| s.ap50), labels: scores.iter().map(|s| s.labels).sum() }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.3}"));
        let row = |(name, s): (&&'static str, &Score)| [(*name).to_owned(), share(s.ap50), share(s.ap), s.labels.to_string()];
        let rows: Vec<_> = self.groups.iter().map(row).chain(self.classes.iter().map(row)).collect();
        write!(f, "{} on {} pictures\n{}", self.model, self.images, table(["CLASS", "AP50", "AP50:95", "LABELS"], &rows))
    }
}
