use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use server::{RestoreOptions, Restored};

use super::backup::whole;
use crate::{
    context::Context,
    failure::{Outcome, library},
    output::count,
};

/// Every file is held against its digest, and the log against its checkpoint. What should be gone is deleted before a server can
/// start: what has come to its end by now, and what a newer copy of the log (--log) says was deleted after the backup.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `sightline backup --to` made
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The folder with log.key and server.key, where the backup has no keys
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A newer copy of the log: the folder log/ of the lost deployment, or an auditor's copy of it
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Say that this machine's clock is right, where it is far ahead of the backup
    #[arg(long)]
    clock_is_right: bool,
}

#[derive(Debug, Serialize)]
struct RestoreView {
    home: PathBuf,
    made: String,
    entries: u64,
    root: String,
    entries_after: u64,
    sightings: u64,
    without_crop: u64,
    deleted_by_record: u64,
    deleted_by_clock: u64,
    to_do_again: Vec<AgainView>,
    known_until: String,
    is_newest: bool,
    has_server_key: bool,
}

#[derive(Debug, Serialize)]
struct AgainView {
    action: &'static str,
    times: u64,
    cameras: Vec<String>,
}

impl Restore {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let printer = ctx.printer;
        let options = RestoreOptions {
            from: whole(&self.from, "--from")?,
            keys: self.keys,
            log: self.log,
            clock_is_right: self.clock_is_right,
        };
        let mut progress = move |what: &str, _: u64| printer.note(what);
        let restored = server::restore(ctx.home.layout(), &options, &mut progress).await;
        let restored = restored.map_err(|e| library("restore", &e).hint(e.hint()))?;
        let view = RestoreView::of(ctx.home.path().to_owned(), restored);
        printer.answer(&view, || view.text());
        Ok(())
    }
}

impl RestoreView {
    fn of(home: PathBuf, r: Restored) -> Self {
        let again = r.again.into_iter().map(|(action, again)| AgainView {
            action,
            times: again.times,
            cameras: again.cameras.iter().map(ToString::to_string).collect(),
        });
        Self {
            home,
            made: r.backup.made.to_string(),
            entries: r.entries,
            root: hex::encode(r.root),
            entries_after: r.entries_after,
            sightings: r.sightings,
            without_crop: r.without_crop,
            deleted_by_record: r.deleted_by_record,
            deleted_by_clock: r.deleted_by_clock,
            to_do_again: again.collect(),
            known_until: r.known_until.to_string(),
            is_newest: r.is_newest,
            has_server_key: r.has_server_key,
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![format!(
            "restored {} of {} and a log of {} entries, {} of them from the newer log",
            count(self.sightings, "sighting"),
            self.made,
            self.entries,
            self.entries_after
        )];
        lines.push(format!(
            "deleted again: {} as the record says, {} as their time has come",
            self.deleted_by_record, self.deleted_by_clock
        ));
        if self.without_crop > 0 {
            let lost = count(self.without_crop, "sighting");
            lines.push(format!("{lost} had no readable crop when the backup was made: `sightline check` names them"));
        }
        for AgainView { action, times, cameras } in &self.to_do_again {
            let of = if cameras.is_empty() { String::new() } else { format!(" of {}", cameras.join(", ")) };
            lines.push(format!("after the backup, and not in it: {action}{of}, {times} times"));
        }
        if !self.is_newest {
            lines.push(format!(
                "not known: what was deleted, revoked, closed or changed after {}; a newer copy of the log says it (`--log`)",
                self.known_until
            ));
        }
        if !self.has_server_key {
            lines.push("pki/server.key is not there: put it back, or make another: `sightline rotate server`".to_owned());
        }
        lines
            .push(format!("next: sightline --home {} serve, which makes the index; then `sightline check`", self.home.display()));
        lines.join("\n")
    }
}
