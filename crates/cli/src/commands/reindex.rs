use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use proto::v1::{self, admin_service_client::AdminServiceClient};
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::count,
    times,
};

/// Another model takes over the appearance vectors, from stored crops, while searches go on.
#[derive(Debug, Subcommand)]
pub(crate) enum Reindex {
    /// Begin to make the vectors of another model
    Start(Start),
    /// Say how far it is, and how the models compare
    Status,
    /// Search the new model's vectors from now on; the old ones are kept
    Switch,
    /// Go back to the model before
    Rollback,
    /// Delete the old model's vectors: no way back
    Drop,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The embedder's name in the model manifest [default: the manifest's]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// File of its learned step, from `sightline appearance learn`, on the server's machine [default: the one built in]
    #[arg(long, value_name = "FILE")]
    appearance: Option<PathBuf>,
    /// Wait until everything is embedded and compared
    #[arg(long)]
    wait: bool,
}

/// How often it is asked how far it is.
const ASK: Duration = Duration::from_millis(500);

impl Reindex {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let mut service = ctx.connect(Caller::Operator).await?.admin();
        let reindex = match self {
            Self::Start(start) => start.run(&mut service, ctx).await?,
            Self::Status => service.get_reindex(v1::GetReindexRequest {}).await?.into_inner().reindex,
            Self::Switch => service.switch_reindex(v1::SwitchReindexRequest {}).await?.into_inner().reindex,
            Self::Rollback => service.roll_back_reindex(v1::RollBackReindexRequest {}).await?.into_inner().reindex,
            Self::Drop => service.drop_reindex(v1::DropReindexRequest {}).await?.into_inner().reindex,
        };
        let view = ReindexView::from(reindex.unwrap_or_default());
        ctx.printer.answer(&view, || view.text());
        Ok(())
    }
}

impl Start {
    async fn run(self, service: &mut AdminServiceClient<Channel>, ctx: &Context) -> Outcome<Option<v1::Reindex>> {
        let file = self.appearance.as_ref().map(std::path::absolute).transpose();
        let file = file
            .map_err(|e| Failure::because("path", "find the file", &e).hint("give the file of `sightline appearance learn`"))?;
        let request = v1::StartReindexRequest {
            embedder: self.model.unwrap_or_default(),
            appearance_path: file.map(|f| f.display().to_string()).unwrap_or_default(),
        };
        let mut reindex = service.start_reindex(request).await?.into_inner().reindex;
        let mut told = u64::MAX;
        while self.wait && reindex.as_ref().is_some_and(|r| r.state() == v1::ReindexState::Embedding) {
            let left = reindex.as_ref().map(|r| r.left).unwrap_or_default();
            if left < told / 10 * 9 {
                ctx.printer.note(&format!("{} left", count(left, "change")));
                told = left;
            }
            tokio::select! {
                () = tokio::time::sleep(ASK) => {}
                _ = tokio::signal::ctrl_c() => return Ok(reindex),
            }
            reindex = service.get_reindex(v1::GetReindexRequest {}).await?.into_inner().reindex;
        }
        Ok(reindex)
    }
}

#[derive(Debug, Serialize)]
struct ReindexView {
    state: &'static str,
    current_sha256: String,
    other_sha256: Option<String>,
    embedder: Option<String>,
    left: u64,
    embedded: u64,
    ms_each: Option<f64>,
    time_left_s: Option<f64>,
    comparison: Option<ComparisonView>,
}

#[derive(Debug, Serialize)]
struct ComparisonView {
    queries: u32,
    agreement: f64,
    best_kept: f64,
    best_elsewhere_kept: f64,
}

impl From<v1::Reindex> for ReindexView {
    fn from(r: v1::Reindex) -> Self {
        let state = match r.state() {
            v1::ReindexState::Unspecified => "unknown",
            v1::ReindexState::None => "none",
            v1::ReindexState::Embedding => "embedding",
            v1::ReindexState::Ready => "ready",
            v1::ReindexState::Switched => "switched",
        };
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Self {
            state,
            current_sha256: r.current_sha256,
            other_sha256: filled(r.other_sha256),
            embedder: filled(r.embedder),
            left: r.left,
            embedded: r.embedded,
            ms_each: times::seconds(r.each).map(|s| s * 1000.0),
            time_left_s: times::seconds(r.time_left),
            comparison: r.comparison.map(|c| ComparisonView {
                queries: c.queries,
                agreement: c.agreement,
                best_kept: c.best_kept,
                best_elsewhere_kept: c.best_elsewhere_kept,
            }),
        }
    }
}

impl ReindexView {
    fn text(&self) -> String {
        let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
        let mut text = match (self.state, &self.other_sha256) {
            ("embedding" | "ready", Some(other)) => {
                format!("{}: searching {}, making {}", self.state, short(&self.current_sha256), short(other))
            }
            ("switched", Some(other)) => format!("switched: searching {}, keeping {}", short(&self.current_sha256), short(other)),
            _ => format!("searching {}; no other model is on its way", short(&self.current_sha256)),
        };
        if self.state == "embedding" {
            text.push_str(&format!("\n  {} left", count(self.left, "change")));
            if let Some(left) = self.time_left_s.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
                text.push_str(&format!(", about {}", times::human(left)));
            }
        }
        if let Some(ms) = self.ms_each {
            text.push_str(&format!("\n  {} embedded since the server started, {ms:.1} ms each", count(self.embedded, "crop")));
        }
        if let Some(c) = &self.comparison {
            text.push_str(&format!(
                "\n  compared on {}: {:.0} % of the ten best agree; the best hit stays among them in {:.0} %, the best on another \
                 camera in {:.0} %",
                count(c.queries.into(), "sighting"),
                100.0 * c.agreement,
                100.0 * c.best_kept,
                100.0 * c.best_elsewhere_kept,
            ));
        }
        let next = match self.state {
            "ready" => "\nnext: sightline reindex switch, or rollback",
            "switched" => "\nnext: sightline reindex drop, or rollback",
            _ => "",
        };
        text + next
    }
}
