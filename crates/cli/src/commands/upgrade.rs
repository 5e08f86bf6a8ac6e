use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Outcome, library},
    output::count,
};

/// Copies the catalogue, brings its tables up to date and checks it; a server that starts does the same. The copy is for going back:
/// it goes when anything is deleted, and after 14 days. The server must not run.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Only say what would be done
    #[arg(long)]
    check: bool,
    /// Put the copy from before the upgrade back, for the version before; refused once anything was acknowledged since
    #[arg(long, conflicts_with = "check")]
    rollback: bool,
}

#[derive(Debug, Serialize)]
struct PlanView {
    schema: Option<i64>,
    newest: i64,
    needed: bool,
    room_needed: u64,
    room_free: u64,
    copy: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct UpgradeView {
    from: i64,
    to: i64,
    entries: u64,
    sightings: u64,
    copy: Option<PathBuf>,
}

impl Upgrade {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        let home = ctx.home.layout();
        let failed = |e: server::UpgradeError| library("upgrade", &e).hint(e.hint());
        if self.check {
            let plan = server::plan_upgrade(home).await.map_err(failed)?;
            let view = PlanView {
                schema: plan.schema,
                newest: plan.newest,
                needed: plan.schema.is_some_and(|schema| schema < plan.newest),
                room_needed: plan.needs,
                room_free: plan.free,
                copy: plan.copy,
            };
            ctx.printer.answer(&view, || view.text());
            return Ok(());
        }
        let done = match self.rollback {
            true => server::roll_back(home).await,
            false => server::upgrade(home).await,
        };
        let done = done.map_err(failed)?;
        let view =
            UpgradeView { from: done.from, to: done.to, entries: done.entries, sightings: done.sightings, copy: done.copy };
        ctx.printer.answer(&view, || view.text(self.rollback));
        Ok(())
    }
}

impl PlanView {
    fn text(&self) -> String {
        let what = match self.schema {
            None => "there is no catalogue yet; nothing to do".to_owned(),
            Some(schema) if self.needed => format!(
                "the tables are of {schema}, this version wants {}: it copies the catalogue first, which takes {} MiB of {} MiB that are free",
                self.newest,
                self.room_needed.div_ceil(1 << 20),
                self.room_free >> 20
            ),
            Some(schema) => format!("the tables are of {schema}, as this version wants them; nothing to do"),
        };
        let copy = self.copy.as_ref().map(|copy| format!("\na copy from before an upgrade is kept: {}", copy.display()));
        what + &copy.unwrap_or_default()
    }
}

impl UpgradeView {
    fn text(&self, rollback: bool) -> String {
        let counted = format!("{} and {} entries of the record, as before", count(self.sightings, "sighting"), self.entries);
        let copy =
            self.copy.as_ref().map(|copy| format!("\nto go back: sightline upgrade --rollback, which takes {}", copy.display()));
        let next = if rollback { "\nnext: start the version before; it makes the index anew" } else { "" };
        format!("tables of {} became tables of {}: {counted}{}{next}", self.from, self.to, copy.unwrap_or_default())
    }
}
