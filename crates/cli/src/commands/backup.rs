use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
    output::count,
};

/// The catalogue as it is at one moment, the crops of its sightings, the configuration, and the log up to its last entry, checked.
/// The server goes on meanwhile. Run it on the server's machine, as the server's account. The index is derived and not copied.
///
/// No private key is copied unless --with-keys is given. Keep pki/log.key and pki/server.key elsewhere: a backup is nothing
/// without the log's key. The authority's key and people's keys are never in it.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// An empty folder, or one that is not there yet; one a backup
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the server's key, the log's key and the cameras' addresses as well: who has the backup can then be the server
    #[arg(long)]
    with_keys: bool,
}

#[derive(Debug, Serialize)]
struct BackupView {
    to: PathBuf,
    made: String,
    entries: u64,
    root: String,
    sightings: u64,
    crops: u64,
    without_crop: u64,
    first_ends: Option<String>,
    keys: bool,
    files: u64,
    bytes: u64,
}

impl Backup {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        ctx.home.must_exist()?;
        let to = whole(&self.to, "--to")?;
        let printer = ctx.printer;
        let mut last = String::new();
        let mut progress = move |what: &str, _: u64| {
            if what != last {
                what.clone_into(&mut last);
                printer.note(&format!("copying {what}"));
            }
        };
        let made = server::backup(ctx.home.layout(), &to, self.with_keys, &mut progress).await;
        let made = made.map_err(|e| library("backup", &e).hint(e.hint()))?;
        let view = BackupView {
            to,
            made: made.made.to_string(),
            entries: made.entries,
            root: made.root,
            sightings: made.sightings,
            crops: made.crops,
            without_crop: made.without_crop,
            first_ends: made.first_ends.map(|at| at.to_string()),
            keys: made.keys,
            files: made.files,
            bytes: made.bytes,
        };
        printer.answer(&view, || view.text());
        Ok(())
    }
}

/// A path that means the same from anywhere.
pub(super) fn whole(path: &std::path::Path, option: &str) -> Outcome<PathBuf> {
    std::path::absolute(path)
        .map_err(|_| Failure::usage(format!("{option} is empty")).hint(format!("name a folder: `{option} DIR`")))
}

impl BackupView {
    fn text(&self) -> String {
        let mut lines = vec![format!(
            "backed up {}, {} and a log of {} entries to {}: {} files, {} MiB",
            count(self.sightings, "sighting"),
            count(self.crops, "crop"),
            self.entries,
            self.to.display(),
            self.files,
            self.bytes.div_ceil(1 << 20)
        )];
        if self.without_crop > 0 {
            lines.push(format!(
                "{} without a crop: `sightline check` names what is missing",
                count(self.without_crop, "sighting")
            ));
        }
        lines.push(if self.keys {
            "the server's private keys are in it: whoever has it can be the server".to_owned()
        } else {
            "no private keys are in it: keep pki/log.key and pki/server.key elsewhere; without the log's key it can't be restored"
                .to_owned()
        });
        if let Some(ends) = &self.first_ends {
            lines.push(format!("the first of its sightings comes to its end at {ends}: delete the backup by then"));
        }
        lines.join("\n")
    }
}
