use clap::{Args, Subcommand, ValueEnum};
use proto::v1;
use types::{CaseId, SightingId};

use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    pages::{self, Listed, Shown},
    view::MarkView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Mark {
    /// Say of sightings whether they show whom the case is about, and put them into the tray or take them out
    Set(Set),
    /// List what is marked under a case, the newest first
    List {
        /// The case
        #[arg(long)]
        case: CaseId,
        /// Only those with this verdict
        #[arg(long, value_enum)]
        verdict: Option<Verdict>,
        /// Only what lies in the tray
        #[arg(long)]
        tray: bool,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verdict {
    Yes,
    No,
    Unsure,
}

impl From<Verdict> for v1::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Yes => Self::Yes,
            Verdict::No => Self::No,
            Verdict::Unsure => Self::Unsure,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The case under which the sightings were handed out
    #[arg(long)]
    case: CaseId,
    /// It may be whom the case is about; repeat for more
    #[arg(long, value_name = "SIGHTING")]
    yes: Vec<SightingId>,
    /// It is somebody else
    #[arg(long, value_name = "SIGHTING")]
    no: Vec<SightingId>,
    /// It can't be told
    #[arg(long, value_name = "SIGHTING")]
    unsure: Vec<SightingId>,
    /// Take the verdict back
    #[arg(long, value_name = "SIGHTING")]
    none: Vec<SightingId>,
    /// Put it into the tray
    #[arg(long, value_name = "SIGHTING")]
    tray: Vec<SightingId>,
    /// Take it out of the tray
    #[arg(long, value_name = "SIGHTING")]
    untray: Vec<SightingId>,
}

impl Mark {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        match self {
            Self::Set(set) => set.run(ctx).await,
            Self::List { case, verdict, tray, shown } => {
                let client = ctx.connect(Caller::Investigator).await?;
                let verdict = verdict.map_or(v1::Verdict::Unspecified, Into::into);
                let marks: Listed<MarkView> = list(&client, &case, verdict, tray, shown.limit).await?.into();
                let json = serde_json::json!({ "marks": marks.rows, "more": marks.more });
                ctx.printer.answer(&json, || MarkView::table(&marks.rows));
                marks.note(ctx);
                Ok(())
            }
        }
    }
}

impl Set {
    async fn run(self, ctx: &Context) -> Outcome {
        let changes = self.changes()?;
        let mut cases = ctx.connect(Caller::Investigator).await?.cases();
        let request = v1::SetMarksRequest { case_id: self.case.to_string(), changes };
        let kept = cases.set_marks(request).await?.into_inner().marks;
        let kept: Vec<MarkView> = kept.into_iter().map(Into::into).collect();
        ctx.printer.answer(&serde_json::json!({ "marks": kept }), || MarkView::table(&kept));
        Ok(())
    }

    fn changes(&self) -> Outcome<Vec<v1::MarkChange>> {
        let mut changes: Vec<v1::MarkChange> = Vec::new();
        let mut of = |id: &SightingId, change: &dyn Fn(&mut v1::MarkChange) -> bool| {
            let sighting_id = id.to_string();
            let n = changes.iter().position(|c| c.sighting_id == sighting_id).unwrap_or_else(|| {
                changes.push(v1::MarkChange { sighting_id, ..Default::default() });
                changes.len() - 1
            });
            let twice = || Failure::usage(format!("two things are said of {id}")).hint("say one of them");
            if change(&mut changes[n]) { Ok(()) } else { Err(twice()) }
        };
        let verdicts = [
            (&self.yes, v1::Verdict::Yes),
            (&self.no, v1::Verdict::No),
            (&self.unsure, v1::Verdict::Unsure),
            (&self.none, v1::Verdict::None),
        ];
        for (id, verdict) in verdicts.into_iter().flat_map(|(ids, verdict)| ids.iter().map(move |id| (id, verdict))) {
            of(id, &|change| {
                let first = change.verdict() == v1::Verdict::Unspecified || change.verdict() == verdict;
                change.set_verdict(verdict);
                first
            })?;
        }
        for (id, tray) in self.tray.iter().map(|id| (id, true)).chain(self.untray.iter().map(|id| (id, false))) {
            of(id, &|change| change.in_tray.replace(tray).is_none_or(|before| before == tray))?;
        }
        if changes.is_empty() {
            return Err(Failure::usage("nothing to mark").hint("name a sighting: --yes SIGHTING, --no SIGHTING, --tray SIGHTING"));
        }
        Ok(changes)
    }
}

/// What is marked under a case, the newest first; at most `limit`, 0: all.
pub(crate) async fn list(
    client: &Client,
    case: &CaseId,
    verdict: v1::Verdict,
    in_tray: bool,
    limit: u32,
) -> Outcome<Listed<v1::Mark>> {
    let mut cases = client.cases();
    pages::read(limit, async |page_size, page_token| {
        let case_id = case.to_string();
        let request = v1::ListMarksRequest { case_id, verdict: verdict.into(), in_tray, page_size, page_token };
        let page = cases.list_marks(request).await?.into_inner();
        Ok((page.marks, page.next_page_token))
    })
    .await
}
