use std::path::PathBuf;

use clap::Args;
use deployment::Home;
use serde::Serialize;
use server::Migrated;

use crate::{
    context::Context,
    failure::{Outcome, library},
    output::count,
};

/// Reads the source and changes nothing of it; its server must not run. What is in the target must be this move, cut off
/// before: it goes on where it was. Every row, every crop and the log are compared afterwards. A move that finished says so
/// again, and copies nothing.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The home folder of the embedded deployment
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The configuration to move to; its folder becomes the new home folder
    #[arg(long, value_name = "CONFIG")]
    to: PathBuf,
}

#[derive(Debug, Serialize)]
struct MigratedView {
    #[serde(skip)]
    home: PathBuf,
    finished_before: bool,
    tables: Vec<TableView>,
    crops: u64,
    crops_sha256: String,
    entries: u64,
    root: String,
}

#[derive(Debug, Serialize)]
struct TableView {
    table: &'static str,
    rows: u64,
    sha256: String,
}

impl Migrate {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let printer = ctx.printer;
        let mut last = String::new();
        let progress = move |what: &str, _: u64| {
            if what != last {
                what.clone_into(&mut last);
                printer.note(&format!("copying {what}"));
            }
        };
        let moved = server::migrate(&Home::new(self.from), &self.to, progress).await;
        let view = MigratedView::from(moved.map_err(|e| library("migrate", &e).hint(e.hint()))?);
        printer.answer(&view, || view.text());
        Ok(())
    }
}

impl From<Migrated> for MigratedView {
    fn from(m: Migrated) -> Self {
        let tables = m.tables.into_iter().map(|t| TableView { table: t.table, rows: t.rows, sha256: hex::encode(t.digest) });
        Self {
            home: m.home,
            finished_before: m.finished_before,
            tables: tables.collect(),
            crops: m.crops,
            crops_sha256: hex::encode(m.crops_digest),
            entries: m.entries,
            root: hex::encode(m.root),
        }
    }
}

impl MigratedView {
    fn text(&self) -> String {
        let rows = self.tables.iter().map(|t| t.rows).sum();
        format!(
            "{} {}, {} and a log of {}, all the same on both sides\nroot {}\nnext: sightline --home {} serve",
            if self.finished_before { "this move is complete, nothing was copied again; it moved" } else { "moved" },
            count(rows, "row"),
            count(self.crops, "crop"),
            if self.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", self.entries) },
            self.root,
            self.home.display()
        )
    }
}
