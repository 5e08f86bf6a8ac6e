//! Cross-camera retrieval: rank-k and mean average precision (Zheng et al., "Scalable Person Re-identification: A
//! Benchmark", 2015). Each box is a query against all boxes of the other cameras. The labels' identities are
//! used to score a ranking and leave this module as three shares; nothing is stored.

use std::{fmt, path::PathBuf};

use clap::Args;
use types::Class;
use vision::{ModelStore, PartsFinder, Vision, VisionError, VisionOptions};

use super::{
    error::{EvalError, Outcome, failed},
    input::{Cut, Note, box_rows, note_missing, redacted_crops},
    models::load_vision,
};

#[derive(Debug, Args)]
pub struct RetrievalArgs {
    /// Table with the columns image,x,y,w,h,identity,camera (or video,frame,... in place of image), pixel boxes
    #[arg(long, value_name = "CSV")]
    boxes: PathBuf,
    /// A file of `sightline appearance learn` [default: the one built in]
    #[arg(long, value_name = "FILE")]
    appearance: Option<PathBuf>,
    /// Compare by one part alone, as it is before anything learned
    #[arg(long, value_name = "PART", conflicts_with = "appearance")]
    part: Option<Part>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Part {
    Backbone,
    Colours,
}

impl RetrievalArgs {
    pub(super) fn run(&self, note: Note<'_>) -> Outcome<Retrieval> {
        let rows = box_rows(&self.boxes)?;
        if let Some(row) = rows.iter().position(|r| r.identity.is_empty() || r.camera.is_empty()) {
            return Err(EvalError::new("boxes", format!("row {} has no identity or no camera", row + 1))
                .with_hint("both columns are needed to tell a right answer from a wrong one"));
        }
        let mut vision = load_vision(&VisionOptions { appearance: self.appearance.clone(), ..VisionOptions::default() })?;
        let crops = redacted_crops(&rows, &mut vision, Class::Person)?;
        note_missing(&crops, note);
        let vectors = self.vectors(&crops, &mut vision).map_err(failed)?;
        let labels: Vec<Label> = rows.into_iter().map(|r| Label { identity: r.identity, camera: r.camera }).collect();
        // A box without a crop can't be found and finds nothing: it counts against us.
        let similarity = |a: usize, b: usize| match (&vectors[a], &vectors[b]) {
            (Some(a), Some(b)) => a.iter().zip(b).map(|(x, y)| x * y).sum(),
            _ => -1.0,
        };
        let answer = retrieval(&labels, similarity);
        if answer.queries == 0 {
            note("note: no identity is seen by two cameras, so there is nothing to find");
        }
        Ok(answer)
    }

    /// Unit vectors, `None` where there is no crop.
    fn vectors(&self, crops: &[Option<Cut>], vision: &mut Vision) -> Result<Vec<Option<Vec<f32>>>, VisionError> {
        let Some(part) = self.part else {
            let embed = |cut: &Option<Cut>| cut.as_ref().map(|c| Ok(vision.embedder.embed(&c.crop)?.into_values())).transpose();
            return crops.iter().map(embed).collect();
        };
        let mut finder = PartsFinder::load(&ModelStore::from_env()?, None)?;
        let mut measure = |cut: &Cut| {
            let parts = finder.of(&cut.crop)?;
            Ok(match part {
                Part::Backbone => parts.backbone,
                Part::Colours => parts.colour,
            })
        };
        crops.iter().map(|cut| cut.as_ref().map(&mut measure).transpose()).collect()
    }
}

/// A labelled box, as far as scoring needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) identity: String,
    pub(crate) camera: String,
}

#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Retrieval {
    /// Queries that have a right answer in another camera.
    pub(crate) queries: usize,
    pub(crate) rank1: f64,
    pub(crate) rank5: f64,
    pub(crate) map: f64,
}

impl fmt::Display for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queries, rank1, rank5, map } = self;
        write!(f, "{queries} queries: rank-1 {rank1:.3}, rank-5 {rank5:.3}, mAP {map:.3}")
    }
}

/// `similarity(query, candidate)` is higher for more alike; `labels[i]` belongs to item i.
pub(crate) fn retrieval(labels: &[Label], similarity: impl Fn(usize, usize) -> f32) -> Retrieval {
    let (mut queries, mut first, mut five, mut precision) = (0usize, 0usize, 0usize, 0.0);
    for (q, query) in labels.iter().enumerate() {
        let mut ranked: Vec<(f32, bool)> = (0..labels.len())
            .filter(|&i| labels[i].camera != query.camera)
            .map(|i| (similarity(q, i), labels[i].identity == query.identity))
            .collect();
        // Ties go against us: a wrong answer with the same score stands first.
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let right: Vec<usize> = ranked.iter().enumerate().filter(|(_, r)| r.1).map(|(rank, _)| rank).collect();
        let Some(&best) = right.first() else { continue };
        queries += 1;
        first += usize::from(best == 0);
        five += usize::from(best < 5);
        precision +=
            right.iter().enumerate().map(|(k, rank)| (k + 1) as f64 / (rank + 1) as f64).sum::<f64>() / right.len() as f64;
    }
    let share = |n: f64| if queries == 0 { 0.0 } else { n / queries as f64 };
    Retrieval { queries, rank1: share(first as f64), rank5: share(five as f64), map: share(precision) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(identity: &str, camera: &str) -> Label {
        Label { identity: identity.into(), camera: camera.into() }
    }

    #[test]
    fn the_own_camera_is_no_answer() {
        let labels = [label("a", "1"), label("a", "1"), label("b", "2"), label("a", "2")];
        // Item 1 equals item 0, but is in its camera; among the others, item 2 is ranked before item 3.
        let got = retrieval(&labels[..], |_, i| [1.0, 1.0, 0.5, 0.2][i]);
        // Queries: 0 and 1 find "a" second; 3 finds both "a"s first; 2 has no right answer.
        assert_eq!(got.queries, 3);
        assert!((got.rank1 - 1.0 / 3.0).abs() < 1e-9 && (got.rank5 - 1.0).abs() < 1e-9);
        assert!((got.map - (0.5 + 0.5 + 1.0) / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_model_that_cannot_tell_gets_no_credit_for_ties() {
        let labels = [label("a", "1"), label("a", "2"), label("b", "2"), label("b", "1")];
        assert_eq!(retrieval(&labels, |_, _| 0.5).rank1, 0.0);
    }
}
