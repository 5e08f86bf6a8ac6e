//! What is known of labelled footage: who is where in every frame, what they wear, and their passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use types::{Carried, Colour, Rect};

use super::super::error::{Cause, EvalError, Outcome};

/// A pass is worth finding if somebody could have seen it: for so many seconds so much of the figure is seen, at this height;
/// at its tallest it is taller, and a longer gap makes another pass.
const VISIBLE: f32 = 0.4;
const HEIGHT: f32 = 40.0;
const TALL: f32 = 60.0;
const SECONDS: f64 = 1.0;
const GAP: f64 = 3.0;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Camera {
    pub(super) id: String,
    video: PathBuf,
    fps: f64,
}

/// What is known of a figure; what is not is not asked for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Figure {
    id: String,
    upper: Option<String>,
    lower: Option<String>,
    carrying: Option<String>,
    #[serde(default)]
    child: bool,
}

/// The same in the words of the vocabulary.
#[derive(Debug, Clone, Default)]
pub(super) struct Worn {
    pub(super) upper: Option<Colour>,
    pub(super) lower: Option<Colour>,
    pub(super) carrying: Option<Carried>,
    pub(super) child: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    camera: String,
    frame: u64,
    figure: String,
    x: f32,
    y: f32,
    w: f32,
    h: f32,
    visible: f32,
}

/// A figure in a frame.
#[derive(Debug, Clone)]
pub(super) struct There {
    pub(super) figure: String,
    pub(super) bbox: Rect,
    pub(super) visible: f32,
}

/// A figure's way through one camera's view.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    pub(super) figure: String,
    pub(super) camera: String,
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) height: f32,
    /// Positions of its sightings.
    pub(super) sightings: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Truth {
    folder: PathBuf,
    cameras: Vec<Camera>,
    pub(super) figures: BTreeMap<String, Worn>,
    /// By camera and frame.
    rows: BTreeMap<(String, u64), Vec<There>>,
    pub(super) passes: Vec<Pass>,
}

impl Truth {
    pub(super) fn open(folder: &Path) -> Outcome<Self> {
        let cameras: Vec<Camera> = json(&folder.join("cameras.json"))?;
        let figures: Vec<Figure> = json(&folder.join("figures.json"))?;
        let figures = figures.iter().map(|f| Ok((f.id.clone(), worn(f)?))).collect::<Outcome<BTreeMap<_, _>>>()?;
        let table = folder.join("truth.csv");
        let columns = "the columns are camera,frame,figure,x,y,w,h,visible";
        let bad = |e: csv::Error| EvalError::because("truth", format!("read {}", table.display()), e).with_hint(columns);
        let mut rows: BTreeMap<_, Vec<There>> = BTreeMap::new();
        for row in csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(&table).map_err(bad)?.deserialize() {
            let Row { camera, frame, figure, x, y, w, h, visible } = row.map_err(bad)?;
            if !cameras.iter().any(|c| c.id == camera) || !figures.contains_key(&figure) {
                let what = format!("{}: camera {camera} or figure {figure} is in neither list", table.display());
                return Err(
                    EvalError::new("truth", what).with_hint("cameras.json and figures.json list all that truth.csv names")
                );
            }
            let bbox = Rect::from_corners(x, y, x + w, y + h);
            rows.entry((camera, frame)).or_default().push(There { figure, bbox, visible });
        }
        if let Some(camera) = cameras.iter().find(|c| !(c.fps.is_finite() && c.fps > 0.0)) {
            return Err(EvalError::new("truth", format!("cameras.json: {} has no frame rate above 0", camera.id)));
        }
        let mut truth = Self { folder: folder.to_owned(), cameras, figures, rows, passes: Vec::new() };
        truth.passes = truth.find_passes();
        Ok(truth)
    }

    /// Cameras and their videos.
    pub(super) fn videos(&self) -> Vec<(String, PathBuf)> {
        self.cameras.iter().map(|c| (c.id.clone(), self.folder.join(&c.video))).collect()
    }

    fn fps(&self, camera: &str) -> f64 {
        self.cameras.iter().find(|c| c.id == camera).map_or(1.0, |c| c.fps)
    }

    /// Everybody in view of a camera at a time, in seconds.
    pub(super) fn at(&self, camera: &str, seconds: f64) -> &[There] {
        let frame = (seconds * self.fps(camera)).round().max(0.0) as u64;
        self.rows.get(&(camera.to_owned(), frame)).map_or(&[], Vec::as_slice)
    }

    /// When each figure is seen at all, by camera; seconds in order.
    pub(super) fn presence(&self) -> BTreeMap<(&str, &str), Vec<f64>> {
        let mut all: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for ((camera, frame), there) in &self.rows {
            for t in there.iter().filter(|t| t.visible > 0.05) {
                all.entry((&t.figure, camera)).or_default().push(*frame as f64 / self.fps(camera));
            }
        }
        all
    }

    fn find_passes(&self) -> Vec<Pass> {
        let mut moments: BTreeMap<(&str, &str), Vec<(f64, f32)>> = BTreeMap::new();
        for ((camera, frame), there) in &self.rows {
            for t in there.iter().filter(|t| t.visible >= VISIBLE && t.bbox.height >= HEIGHT) {
                moments.entry((&t.figure, camera)).or_default().push((*frame as f64 / self.fps(camera), t.bbox.height));
            }
        }
        let mut passes = Vec::new();
        for ((figure, camera), moments) in moments {
            for run in moments.chunk_by(|a, b| b.0 - a.0 <= GAP) {
                let mut heights: Vec<f32> = run.iter().map(|m| m.1).collect();
                heights.sort_by(f32::total_cmp);
                let (Some(first), Some(last), Some(tallest)) = (run.first(), run.last(), heights.last()) else { continue };
                if run.len() as f64 / self.fps(camera) >= SECONDS && *tallest >= TALL {
                    passes.push(Pass {
                        figure: figure.to_owned(),
                        camera: camera.to_owned(),
                        first: first.0,
                        last: last.0,
                        height: heights[heights.len() / 2],
                        sightings: Vec::new(),
                    });
                }
            }
        }
        passes
    }

    /// Positions of the passes of a figure.
    pub(super) fn passes_of(&self, figure: &str) -> BTreeSet<usize> {
        self.passes.iter().enumerate().filter(|(_, p)| p.figure == figure).map(|(i, _)| i).collect()
    }

    pub(super) fn is_child(&self, figure: &str) -> bool {
        self.figures.get(figure).is_some_and(|f| f.child)
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    let bad = |cause: Cause| EvalError::because("truth", format!("read {}", path.display()), cause);
    let text = fs::read_to_string(path).map_err(|e| bad(e.into()))?;
    serde_json::from_str(&text).map_err(|e| bad(e.into()))
}

fn worn(figure: &Figure) -> Outcome<Worn> {
    let unknown = |e: types::UnknownWord| {
        EvalError::new("truth", format!("figures.json, {}: {e}", figure.id)).with_hint("leave out what has no word")
    };
    let Figure { upper, lower, carrying, child, .. } = figure;
    Ok(Worn {
        upper: upper.as_deref().map(str::parse).transpose().map_err(unknown)?,
        lower: lower.as_deref().map(str::parse).transpose().map_err(unknown)?,
        carrying: carrying.as_deref().map(str::parse).transpose().map_err(unknown)?,
        child: *child,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One camera at 10 frames a second; `rows` of truth.csv.
    pub(in super::super) fn town(rows: &str) -> Outcome<Truth> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cameras.json"), r#"[{"id": "gate", "video": "gate.mp4", "fps": 10, "light": {}}]"#).unwrap();
        let figures = r#"[{"id": "a", "upper": "red", "lower": "blue", "carrying": null, "child": true}, {"id": "b"}]"#;
        fs::write(dir.path().join("figures.json"), figures).unwrap();
        fs::write(dir.path().join("truth.csv"), format!("camera,frame,time_s,figure,x,y,w,h,visible\n{rows}")).unwrap();
        Truth::open(dir.path())
    }

    pub(in super::super) fn walk(figure: &str, frames: std::ops::Range<u64>, x: f32, height: f32) -> String {
        frames.map(|f| format!("gate,{f},{},{figure},{x},10,20,{height},1\n", f as f64 / 10.0)).collect()
    }

    #[test]
    fn a_pass_is_long_and_tall_enough_and_a_gap_makes_two() {
        let rows = [
            walk("a", 0..15, 0.0, 70.0),
            walk("a", 50..65, 0.0, 70.0),
            walk("a", 100..105, 0.0, 70.0),
            walk("b", 0..30, 50.0, 50.0),
        ];
        let truth = town(&rows.concat()).unwrap();
        let told: Vec<_> = truth.passes.iter().map(|p| (p.figure.as_str(), p.first, p.last)).collect();
        assert_eq!(told, [("a", 0.0, 1.4), ("a", 5.0, 6.4)]);
        assert!(truth.is_child("a") && !truth.is_child("b"));
        assert_eq!(truth.at("gate", 1.04).len(), 2);
    }

    #[test]
    fn a_row_of_nobody_is_refused_with_its_name() {
        let message = town("gate,0,0,stranger,0,0,1,1,1\n").unwrap_err().to_string();
        assert!(message.contains("stranger"), "{message}");
    }
}
