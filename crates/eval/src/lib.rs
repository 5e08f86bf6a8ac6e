//! How well and how fast Sightline sees, on any labelled data. Labels' identities are used to score a ranking and leave
//! an evaluation as shares; nothing is stored. And what a deployment's own footage teaches: the learned step of appearance.
//!
//! All of it reads files and runs models on this machine; it calls no server and prints nothing.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod appearance;
mod average_precision;
mod colours;
mod detect;
mod error;
mod faces;
mod gate;
mod input;
mod models;
mod retrieval;
mod speed;
mod table;
mod town;
mod track;

use std::fmt;

use clap::Subcommand;
use serde::Serialize;

pub use appearance::{Appearance, Learned};
pub use error::EvalError;
pub use input::Note;

/// The evaluations, with the arguments of each.
#[derive(Debug, Subcommand)]
pub enum Eval {
    /// Boxes: average precision per class, as COCO defines it
    Detect(detect::Detect),
    /// Tracks of persons in a video, as MOTChallenge rows for any scorer
    Track(track::Track),
    /// Erasure: the share of labelled faces that no stored crop would show
    Faces(faces::Faces),
    /// Appearance: cross-camera rank-1, rank-5 and mean average precision
    ///
    /// Each box asks for its identity among the boxes of all other cameras, by the appearance vector that a sighting would get:
    /// redacted first, of this one box. Vectors are compared as the search compares them; nothing is adapted to the table. A
    /// box that shows nothing, and a tie with a wrong answer, count as wrong. Identities leave as shares alone.
    Retrieval(retrieval::RetrievalArgs),
    /// Clothing colours: accuracy and confusion
    ///
    /// A label is one of the eleven colours; an empty one, or `unknown`, is not scored. `accuracy` counts "unknown" as wrong,
    /// `accuracy_named` leaves it out; a box that shows nothing is "unknown". Boxes are redacted first, and the light is that of
    /// the box's whole picture, as a camera's is.
    Colours(colours::Colours),
    /// The motion gate: what looking only where something moves costs in recall and saves in time
    Gate(gate::Gate),
    /// The whole archive path on one worker: frames, seconds, memory
    Speed(speed::Speed),
    /// Labelled footage of several cameras: who has a sighting, and is found by words and by example
    ///
    /// The folder holds cameras.json (a list of `id`, `video`, `fps`), figures.json (a list of `id` and what is known of `upper`,
    /// `lower`, `carrying`, `child`) and truth.csv with the columns camera,frame,figure,x,y,w,h,visible: every figure in every
    /// frame, frames counted from 0, `visible` the share of it that is seen.
    Town(town::Town),
}

impl Eval {
    /// Reads files and runs models, all on this thread; calls no server. Remarks for people go to `note` while it runs.
    ///
    /// # Errors
    /// [`EvalError`], which says what to do.
    pub fn run(&self, note: Note<'_>) -> Result<Answer, EvalError> {
        Ok(Answer(match self {
            Self::Detect(c) => Found::Detect(c.run()?),
            Self::Track(c) => Found::Track(c.run()?),
            Self::Faces(c) => Found::Faces(c.run()?),
            Self::Retrieval(c) => Found::Retrieval(c.run(note)?),
            Self::Colours(c) => Found::Colours(c.run(note)?),
            Self::Gate(c) => Found::Gate(c.run()?),
            Self::Speed(c) => Found::Speed(c.run()?),
            Self::Town(c) => Found::Town(Box::new(c.run()?)),
        }))
    }
}

/// What came out: for people as text, for programs as its serialisation.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Found);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Found {
    Detect(detect::Answer),
    Track(track::Answer),
    Faces(faces::Answer),
    Retrieval(retrieval::Retrieval),
    Colours(colours::Answer),
    Gate(gate::Answer),
    Speed(speed::Answer),
    Town(Box<town::Score>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Found::Detect(answer) => answer.fmt(f),
            Found::Track(answer) => answer.fmt(f),
            Found::Faces(answer) => answer.fmt(f),
            Found::Retrieval(answer) => answer.fmt(f),
            Found::Colours(answer) => answer.fmt(f),
            Found::Gate(answer) => answer.fmt(f),
            Found::Speed(answer) => answer.fmt(f),
            Found::Town(answer) => answer.fmt(f),
        }
    }
}
