use clap::Args;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Init {}

impl Init {
    pub(crate) fn run(self, _ctx: &Context) -> Outcome {
        Err(Failure::new("unfinished", "not wired yet"))
    }
}
