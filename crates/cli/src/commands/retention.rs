use clap::Subcommand;
use proto::v1;

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::count,
    pages::{self, Listed},
    view::{DeletionView, RetentionView},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// What there is, until when, and whether a deletion is overdue
    Status,
    /// What was deleted because its time had come, the newest first; ENTRY is for `sightline log receipt`
    List {
        /// Those before this one
        #[arg(long, value_name = "N", default_value_t = 0)]
        before: u64,
        /// At most so many; 0: all of them
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Delete now what is due, as the server does by itself every so often
    Run {
        /// You have looked at the server's clock and it is right, whatever it showed before
        #[arg(long)]
        clock_is_right: bool,
    },
}

impl Retention {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        match self {
            Self::Status => {
                let mut service = ctx.connect(Caller::Auditor).await?.retention();
                let view: RetentionView = service.retention_status(v1::RetentionStatusRequest {}).await?.into_inner().into();
                ctx.printer.answer(&view, || view.text());
                overdue(view.overdue)
            }
            Self::List { before, limit } => {
                let mut service = ctx.connect(Caller::Auditor).await?.retention();
                let deletions = pages::read(limit, async |limit, page_token| {
                    let page = service.list_deletions(v1::ListDeletionsRequest { before, limit, page_token }).await?.into_inner();
                    Ok((page.deletions, page.next_page_token))
                });
                let deletions: Listed<DeletionView> = deletions.await?.into();
                let json = serde_json::json!({ "deletions": deletions.rows, "more": deletions.more });
                ctx.printer.answer(&json, || DeletionView::table(&deletions.rows));
                deletions.note(ctx);
                Ok(())
            }
            Self::Run { clock_is_right } => {
                let mut service = ctx.connect(Caller::Operator).await?.retention();
                let answer = service.run_retention(v1::RunRetentionRequest { clock_is_right }).await?.into_inner();
                let deletions: Vec<DeletionView> = answer.deletions.into_iter().map(Into::into).collect();
                let json = serde_json::json!({
                    "sightings": answer.sightings, "overdue": answer.overdue, "deletions": deletions,
                });
                ctx.printer.answer(&json, || match answer.sightings {
                    0 => "nothing is due".to_owned(),
                    n => format!("deleted {}\n{}", count(n, "sighting"), DeletionView::table(&deletions)),
                });
                overdue(answer.overdue)
            }
        }
    }
}

/// Exit code 1 while a deletion is overdue, so that a script sees it.
fn overdue(overdue: u64) -> Outcome {
    if overdue == 0 {
        return Ok(());
    }
    let failure = Failure::new("overdue", format!("{} overdue", count(overdue, "deletion")));
    Err(failure.hint("`sightline retention run` tries again; the server's log says what is in the way"))
}
