use clap::Subcommand;
use proto::v1;

use crate::{
    context::{Caller, Context},
    failure::Outcome,
    output::count,
    times,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Make the index again from the catalogue; searches wait meanwhile
    Rebuild,
}

impl Index {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let Self::Rebuild = self;
        let mut service = ctx.connect(Caller::Operator).await?.admin();
        let answer = service.rebuild_index(v1::RebuildIndexRequest {}).await?.into_inner();
        let seconds = times::seconds(answer.elapsed).unwrap_or_default();
        ctx.printer.answer(&serde_json::json!({ "vectors": answer.vectors, "seconds": seconds }), || {
            format!("rebuilt the index: {} in {seconds:.1} s", count(answer.vectors, "vector"))
        });
        Ok(())
    }
}
