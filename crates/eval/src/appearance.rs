//! The learned step of appearance, fitted to a deployment's own footage.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use media::Sampling;
use redact::{Subject, redact};
use serde::Serialize;
use types::{Class, Detection, Frame, Group, MediaTime, Rect, TrackId};
use vision::{
    AppearanceParts, CenterFace, Detector, DetectorOptions, ModelStore, PartsFinder, Source, Tracker, TrackerOptions,
    VisionError, learn,
};

use super::{
    error::{EvalError, Outcome, models},
    input::{each_frame, shift},
};

/// How figures are compared, with the arguments.
#[derive(Debug, Subcommand)]
pub enum Appearance {
    /// Learn from footage which differences between two pictures matter; no identities needed, none made
    Learn(Learn),
}

#[derive(Debug, Args)]
pub struct Learn {
    /// Footage of the deployment's own cameras; many figures for a short time teach more than few for a long one
    #[arg(required = true, value_name = "VIDEO")]
    videos: Vec<PathBuf>,
    /// The projection; `models.appearance` in sightline.toml names the one to use
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Frames a second that are looked at
    #[arg(long, default_value_t = 5.0, value_name = "RATE")]
    fps: f64,
    /// Whose footage it is and under which licence; kept in the file
    #[arg(long, default_value = "", value_name = "TEXT")]
    attribution: String,
}

/// What was learned: for people as text, for programs as its serialisation.
#[derive(Debug, Serialize)]
pub struct Learned {
    tracks: usize,
    crops: usize,
    /// Values of a vector.
    values: usize,
    sha256: String,
    out: PathBuf,
}

impl Appearance {
    /// Reads files and runs models, all on this thread; calls no server.
    ///
    /// # Errors
    /// [`EvalError`], which says what to do.
    pub fn run(&self) -> Result<Learned, EvalError> {
        let Self::Learn(learn) = self;
        learn.run()
    }
}

impl Learn {
    fn run(&self) -> Outcome<Learned> {
        if !self.fps.is_finite() || self.fps <= 0.0 {
            return Err(EvalError::usage(format!("--fps {} is not above 0", self.fps)));
        }
        let mut finders = Models::load().map_err(models)?;
        let mut tracks = Vec::new();
        for video in &self.videos {
            tracks.extend(tracklets(video, self.fps, &mut finders)?);
        }
        let projection = learn(&tracks, &finders.source(&self.attribution)).map_err(|e| {
            EvalError::library("too_little_footage", e)
                .with_hint("give it more footage, with more figures in it, or a higher --fps")
        })?;
        fs::write(&self.out, projection.write())
            .map_err(|e| EvalError::because("output", format!("write {}", self.out.display()), e))?;
        let about = projection.about();
        Ok(Learned {
            tracks: about.tracks,
            crops: about.crops,
            values: projection.len(),
            sha256: projection.digest().to_string(),
            out: self.out.clone(),
        })
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tracks, crops, values, sha256, out } = self;
        let one = |n: &usize| if *n == 1 { "" } else { "s" };
        write!(f, "learned from {crops} crop{} of {tracks} track{}: {}, ", one(crops), one(tracks), out.display())?;
        write!(f, "vectors of {values} values, sha256 {sha256}")
    }
}

struct Models {
    detector: Detector,
    faces: CenterFace,
    parts: PartsFinder,
}

impl Models {
    fn load() -> Result<Self, VisionError> {
        let store = ModelStore::from_env()?;
        Ok(Self {
            detector: Detector::load(&store, None, DetectorOptions::default())?,
            faces: CenterFace::load(&store, None)?,
            parts: PartsFinder::load(&store, None)?,
        })
    }

    fn source(&self, attribution: &str) -> Source {
        Source {
            backbone: self.parts.backbone(),
            detector: self.detector.digest(),
            face_finder: self.faces.digest(),
            attribution: attribution.into(),
        }
    }

    /// The parts of a crop that could be redacted.
    fn look(&mut self, frame: &Frame, subject: &Detection, people: &[Rect]) -> Outcome<Option<AppearanceParts>> {
        let region = redact::view_region(&subject.bbox);
        let Some(raw) = frame.crop(&region) else { return Ok(None) };
        let (x, y) = raw.origin();
        let people = people.iter().filter(|p| !p.intersect(&region).is_empty()).map(|p| shift(p, x, y)).collect();
        let subject = Subject { class: subject.class, bbox: shift(&subject.bbox, x, y), people };
        match redact(raw, &subject, &mut self.faces) {
            Ok(crop) => self.parts.of(&crop).map(Some).map_err(|e| EvalError::library("models", e)),
            Err(_) => Ok(None),
        }
    }
}

/// Crops of one track are this far apart, so that they differ, and at most this many.
const APART_MICROS: i64 = 350_000;
const MOST_CROPS: usize = 24;
/// Figures that reach over the border or are mostly behind another teach the wrong thing.
const MOST_COVERED: f32 = 0.3;

/// The tracks of one video that were confirmed and not dismissed, each as the parts of its crops. Crops are redacted as they are cut and go no
/// further than this function.
fn tracklets(video: &Path, fps: f64, models: &mut Models) -> Outcome<Vec<Vec<AppearanceParts>>> {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let mut open: BTreeMap<TrackId, (MediaTime, Vec<AppearanceParts>)> = BTreeMap::new();
    let mut confirmed = BTreeSet::new();
    each_frame(video, Sampling { fps, ..Sampling::default() }, |frame| {
        let mut found = models.detector.detect(frame).map_err(|e| EvalError::library("models", e))?;
        found.retain(|d| d.class.group() != Group::Carried);
        let people: Vec<Rect> = found.iter().filter(|d| d.class == Class::Person).map(|d| d.bbox).collect();
        let step = tracker.follow(frame, &found);
        confirmed.extend(step.confirmed.iter().copied());
        step.dismissed.iter().for_each(|id| _ = confirmed.remove(id));
        for (id, detection) in &step.seen {
            let due = open
                .get(id)
                .is_none_or(|(last, parts)| frame.at.as_micros() - last.as_micros() >= APART_MICROS && parts.len() < MOST_CROPS);
            if due
                && whole(detection, &people, frame)
                && let Some(parts) = models.look(frame, detection, &people)?
            {
                let (last, all) = open.entry(*id).or_insert_with(|| (frame.at, Vec::new()));
                *last = frame.at;
                all.push(parts);
            }
        }
        Ok(true)
    })?;
    tracker.finish().dismissed.iter().for_each(|id| _ = confirmed.remove(id));
    open.retain(|id, _| confirmed.contains(id));
    Ok(open.into_values().map(|(_, parts)| parts).collect())
}

/// Clear of the picture's sides and of whoever stands in front.
fn whole(detection: &Detection, people: &[Rect], frame: &Frame) -> bool {
    let b = detection.bbox;
    let covered: f32 = people.iter().filter(|p| p.bottom() > b.bottom()).map(|p| b.share_inside(p)).sum();
    b.x > 2.0 && b.right() < frame.size().width as f32 - 2.0 && covered < MOST_COVERED
}
