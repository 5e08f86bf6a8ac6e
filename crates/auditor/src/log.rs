use std::path::{Path, PathBuf};

use access::log::{Checked, Note, Trust};
use audit_log::{FileTiles, LogFault, read_note, verify_folder, verify_growth};
use clap::Args;
use serde::Serialize;

use crate::{
    failure::Outcome,
    keys::{Deployment, Keys, fault},
    output::{Printer, count},
};

/// `log verify`.
#[derive(Debug, Args)]
pub struct VerifyLog {
    /// The folder that holds `checkpoint` and `tile` [default: the home folder's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Check that this earlier checkpoint
    #[arg(long, value_name = "FILE", requires = "to")]
    from: Option<PathBuf>,
    /// is the beginning of this one
    #[arg(long, value_name = "FILE", requires = "from")]
    to: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Debug, Serialize)]
struct Verified {
    log: String,
    entries: u64,
    root: String,
    witnessed: Vec<String>,
}

impl Verified {
    fn new(trust: &Trust, checked: Checked) -> Self {
        Self {
            log: trust.log.name().to_owned(),
            entries: checked.head.size,
            root: hex::encode(checked.head.hash.0),
            witnessed: checked.witnessed.into_iter().map(|(name, _)| name).collect(),
        }
    }

    fn text(&self) -> String {
        let by = match self.witnessed.as_slice() {
            [] => "no witness's key was given".to_owned(),
            names => format!("witnessed by {}", names.join(", ")),
        };
        format!("{}: {} whole, {by}", self.log, count(self.entries, "entry").replace("entrys", "entries"))
    }
}

impl VerifyLog {
    /// Checks the log and answers.
    ///
    /// # Errors
    /// It is not whole, not the log's, or can't be read.
    pub fn run(self, printer: Printer, here: &dyn Deployment) -> Outcome {
        let trust = self.keys.trust(here)?;
        let tiles = FileTiles::new(self.dir.map_or_else(|| here.log(), Ok)?);
        let verified = match (&self.from, &self.to) {
            (Some(from), Some(to)) => {
                let (_, to) = verify_growth(&tiles, &trust, &note(from)?, &note(to)?).map_err(|e| fault(&e))?;
                Verified::new(&trust, to)
            }
            _ => Verified::new(&trust, verify_folder(&tiles, &trust, |_, _| {}).map_err(|e| fault(&e))?),
        };
        printer.answer(&verified, || verified.text());
        Ok(())
    }
}

fn note(path: &Path) -> Outcome<Note> {
    let missing = || LogFault::NoCheckpoint { path: path.to_owned() };
    read_note(path).and_then(|note| note.ok_or_else(missing)).map_err(|e| fault(&e))
}
