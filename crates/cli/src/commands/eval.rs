//! How well and how fast Sightline sees, on any labelled data. Labels' identities are used to score a ranking and leave
//! an evaluation as shares; nothing is stored.

mod average_precision;
mod colours;
mod common;
mod detect;
mod faces;
mod gate;
pub(super) mod input;
mod retrieval;
mod speed;
mod town;
mod track;

use clap::Subcommand;

use crate::{context::Context, failure::Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// Boxes: average precision per class, as COCO defines it
    Detect(detect::Detect),
    /// Tracks of persons in a video, as MOTChallenge rows for any scorer
    Track(track::Track),
    /// Erasure: the share of labelled faces that no stored crop would show
    Faces(faces::Faces),
    Retrieval(retrieval::RetrievalArgs),
    Colours(colours::Colours),
    /// The motion gate: what looking only where something moves costs in recall and saves in time
    Gate(gate::Gate),
    /// The whole archive path on one worker: frames, seconds, memory
    Speed(speed::Speed),
    Town(town::Town),
}

impl Eval {
    /// Reads files and runs models, all on this thread; calls no server.
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        match self {
            Self::Detect(c) => c.run(ctx.printer),
            Self::Track(c) => c.run(ctx.printer),
            Self::Faces(c) => c.run(ctx.printer),
            Self::Retrieval(c) => c.run(ctx.printer),
            Self::Colours(c) => c.run(ctx.printer),
            Self::Gate(c) => c.run(ctx.printer),
            Self::Speed(c) => c.run(ctx.printer),
            Self::Town(c) => c.run(ctx.printer),
        }
    }
}
