use clap::Args;
use serde::Serialize;
use server::{Finding, State};

use crate::{
    context::Context,
    failure::{Failure, Outcome},
    output::{count, plain, table},
};

/// Looks at GStreamer, the clock, the disk, limits, models, certificates, keys, the catalogue, the log and the index, and says what to
/// do where something is not as it should be. Needs no server; run it as the server's account. A warning is no failure.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

#[derive(Debug, Serialize)]
struct DoctorView {
    state: &'static str,
    checks: Vec<CheckView>,
}

#[derive(Debug, Serialize)]
struct CheckView {
    what: String,
    state: &'static str,
    says: String,
    to_do: Option<String>,
}

impl Doctor {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let mut found = server::doctor(ctx.home.layout()).await;
        found.push(super::models::runtime_state(ctx)?);
        let worst = found.iter().map(|f| f.state).max().unwrap_or(State::Ok);
        let failed = found.iter().filter(|f| f.state == State::Fail).count() as u64;
        let checks = found.into_iter().map(CheckView::from).collect();
        let view = DoctorView { state: worst.as_str(), checks };
        ctx.printer.answer(&view, || view.text());
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::new("not_well", format!("{} not as it should be", count(failed, "thing"))).hint("each line says what to do"))
    }
}

impl From<Finding> for CheckView {
    fn from(f: Finding) -> Self {
        Self { what: f.what, state: f.state.as_str(), says: f.says, to_do: f.to_do }
    }
}

impl DoctorView {
    fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .checks
            .iter()
            .flat_map(|c| {
                let first = [c.state.to_owned(), plain(&c.what), plain(&c.says)];
                let second = c.to_do.as_ref().map(|to_do| [String::new(), String::new(), format!("-> {}", plain(to_do))]);
                std::iter::once(first).chain(second)
            })
            .collect();
        table(["STATE", "WHAT", "SAYS"], &rows)
    }
}
