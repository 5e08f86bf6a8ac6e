use std::{fs, path::PathBuf};

use access::{AuditEntry, log::Receipt};
use clap::Args;

use super::log::{Keys, describe};
use crate::{
    context::Context,
    failure::{Failure, Outcome, library},
};

/// Needs neither a server nor a network, but the log's key from somebody you believe.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A receipt: `sightline search --receipt FILE` or `sightline log receipt` wrote it
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

impl Verify {
    pub(crate) fn run(self, ctx: &Context) -> Outcome {
        let text = fs::read_to_string(&self.receipt).map_err(|e| {
            Failure::because("receipt_unreadable", format!("read {}", self.receipt.display()), &e).hint("name a receipt's file")
        })?;
        let trust = self.keys.trust(ctx)?;
        let not_valid = |e: &access::log::LogError| {
            library("not_verified", e)
                .message(format!("{} is not to be believed", self.receipt.display()))
                .hint("is the key the log's, and the file as it was written?")
        };
        let receipt: Receipt = text.parse().map_err(|e| not_valid(&e))?;
        let bytes = receipt.extra.as_deref().unwrap_or_default();
        let checked = receipt.verify(&trust, bytes).map_err(|e| not_valid(&e))?;
        let entry = AuditEntry::from_bytes(bytes).map_err(|e| library("bad_entry", &e).hint("use a newer `sightline`"))?;
        let witnesses: Vec<&str> = checked.witnessed.iter().map(|(name, _)| name.as_str()).collect();
        let answer = serde_json::json!({
            "verified": true,
            "log": trust.log.name(),
            "entry": receipt.index + 1,
            "entries": checked.head.size,
            "witnessed": witnesses,
            "content": entry,
        });
        ctx.printer.answer(&answer, || {
            let by = if witnesses.is_empty() { "no witness's key was given".to_owned() } else { witnesses.join(", ") };
            format!(
                "entry {} of {} in the log {}\n  {}\n  witnesses  {by}",
                receipt.index + 1,
                checked.head.size,
                trust.log.name(),
                describe(&entry)
            )
        });
        Ok(())
    }
}
