use clap::Args;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) async fn run(self, _ctx: &Context) -> Outcome {
        Err(Failure::new("unfinished", "not wired yet"))
    }
}
