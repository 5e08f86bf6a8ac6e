use clap::Args;
use proto::v1;
use serde::Serialize;

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::{count, plain},
    view::finding_word,
};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Put right what can be: remove crops and vectors of no sighting, give sightings their missing vectors
    #[arg(long)]
    repair: bool,
}

#[derive(Debug, Serialize)]
struct CheckView {
    clean: bool,
    sightings: u64,
    crops: u64,
    vectors: u64,
    /// That the record commits to.
    committed: u64,
    /// Stored before the record committed to any.
    uncommitted: u64,
    findings: Vec<FindingView>,
    findings_total: u64,
}

#[derive(Debug, Serialize)]
struct FindingView {
    kind: String,
    subject: String,
    message: String,
    repaired: bool,
}

impl Check {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let mut service = ctx.connect(Caller::Operator).await?.admin();
        let view: CheckView = service.check(v1::CheckRequest { repair: self.repair }).await?.into_inner().into();
        ctx.printer.answer(&view, || view.text());
        if view.clean {
            return Ok(());
        }
        let left = view.findings_total - view.findings.iter().filter(|f| f.repaired).count() as u64;
        let failure = Failure::new("not_clean", format!("{} to put right", count(left, "thing")));
        Err(failure.hint(if self.repair {
            "what is left can't be repaired from what is there: add the footage again, or restore a backup"
        } else {
            "`sightline check --repair` puts right what can be"
        }))
    }
}

impl From<v1::CheckResponse> for CheckView {
    fn from(r: v1::CheckResponse) -> Self {
        let finding = |f: v1::Finding| FindingView {
            kind: finding_word(f.kind),
            subject: f.subject,
            message: f.message,
            repaired: f.repaired,
        };
        Self {
            clean: r.clean,
            sightings: r.sightings,
            crops: r.crops,
            vectors: r.vectors,
            committed: r.committed,
            uncommitted: r.uncommitted,
            findings: r.findings.into_iter().map(finding).collect(),
            findings_total: r.findings_total,
        }
    }
}

impl CheckView {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .findings
            .iter()
            .map(|f| format!("{} {}: {}", if f.repaired { "repaired" } else { "found" }, plain(&f.subject), plain(&f.message)))
            .collect();
        let more = self.findings_total.saturating_sub(self.findings.len() as u64);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        if self.uncommitted > 0 {
            let earlier = count(self.uncommitted, "sighting");
            lines.push(format!(
                "{earlier} stored before the record committed to any; a running server commits to them as they are found"
            ));
        }
        lines.push(format!(
            "{}, {}, {}: {}",
            count(self.sightings, "sighting"),
            count(self.crops, "crop"),
            count(self.vectors, "vector"),
            if self.clean { "clean" } else { "not clean" }
        ));
        lines.join("\n")
    }
}
