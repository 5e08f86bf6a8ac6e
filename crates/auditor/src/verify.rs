use std::path::{Path, PathBuf};

use access::{
    AuditEntry,
    log::{Receipt, Trust},
};
use audit_log::export::{CheckedExport, ExportFault, Proofs, check};
use clap::Args;

use crate::{
    bundle,
    failure::{Failure, Outcome, library},
    keys::{Deployment, Keys},
    output::{Printer, count},
};

/// Needs neither a server nor a network, but the log's key from somebody you believe.
#[derive(Debug, Args)]
pub struct Verify {
    /// A receipt (`sightline search --receipt FILE` or `sightline log receipt` wrote it), or the folder or ZIP file of an
    /// export
    #[arg(value_name = "RECEIPT|EXPORT")]
    what: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

impl Verify {
    /// Checks what was named and answers.
    ///
    /// # Errors
    /// It is not to be believed, or can't be read.
    pub fn run(self, printer: Printer, here: &dyn Deployment) -> Outcome {
        let trust = self.keys.trust(here)?;
        if bundle::is_bundle(&self.what) {
            let files = bundle::read(&self.what)?;
            let export = check(&files, &trust).map_err(|e| not_whole(&self.what, &e))?;
            return answer_export(printer, &trust, files.len(), &export);
        }
        answer_receipt(printer, &trust, &self.what)
    }
}

/// An export that is not as it left the server.
pub fn not_whole(path: &Path, error: &ExportFault) -> Failure {
    library("not_verified", error)
        .message(format!("{} is not to be believed", path.display()))
        .hint("is the key the log's, and is everything there as it was exported?")
}

fn answer_export(printer: Printer, trust: &Trust, files: usize, export: &CheckedExport) -> Outcome {
    let (m, checked) = (&export.manifest, &export.checked);
    let witnesses: Vec<&str> = checked.witnessed.iter().map(|(name, _)| name.as_str()).collect();
    let by = |a: &access::Authorisation| format!("{}, {}", a.by, a.at);
    let authorised: Vec<String> = m.case.authorisations.iter().map(by).collect();
    let answer = serde_json::json!({
        "verified": true,
        "log": trust.log.name(),
        "case": m.case.id(),
        "sightings": m.sightings.len(),
        "files": files,
        "exported": m.exported.at,
        "exported_by": m.exported.by,
        "authorised_by": m.case.authorisations.iter().map(|a| &a.by).collect::<Vec<_>>(),
        "unauthorised": m.exported.unauthorised,
        "manifest_sha256": hex::encode(export.manifest_sha256),
        "entry": export.entry,
        "entries": checked.head.size,
        "witnessed": witnesses,
        "proofs": export.proofs.map(|p| serde_json::json!({ "stored": p.stored, "found": p.found })),
    });
    printer.answer(&answer, || {
        format!(
            "export of case {}: {}, {}, all as they were exported\n  exported   {} by {}\n  authorised {}\n  entry      {} of {} in the \
             log {}\n  witnesses  {}\n  seen       {}",
            m.case.id(),
            count(m.sightings.len() as u64, "possible sighting"),
            count(files as u64, "file"),
            m.exported.at,
            m.exported.by,
            if authorised.is_empty() { "BY NOBODY when it was exported".to_owned() } else { authorised.join("; ") },
            export.entry,
            checked.head.size,
            trust.log.name(),
            if witnesses.is_empty() { "no witness's key was given".to_owned() } else { witnesses.join(", ") },
            proofs(export.proofs.as_ref()),
        )
    });
    Ok(())
}

/// Since when the record says what was seen.
fn proofs(proofs: Option<&Proofs>) -> String {
    match proofs {
        None => "NO PROOF that these are what was stored: an earlier version exported them".to_owned(),
        Some(Proofs { stored, found: 0 }) => {
            format!("{}: each as the record has it since it was stored", count(u64::from(*stored), "possible sighting"))
        }
        Some(Proofs { stored, found }) => format!(
            "{stored} as the record has them since they were stored, {found} as they were found when it began to commit to them"
        ),
    }
}

fn answer_receipt(printer: Printer, trust: &Trust, path: &Path) -> Outcome {
    let text = bundle::read_receipt(path).map_err(|e| {
        Failure::because("receipt_unreadable", format!("read {}", path.display()), &e).hint("name a receipt's file")
    })?;
    let not_valid = |e: &access::log::LogError| {
        library("not_verified", e)
            .message(format!("{} is not to be believed", path.display()))
            .hint("is the key the log's, and the file as it was written?")
    };
    let receipt: Receipt = text.parse().map_err(|e| not_valid(&e))?;
    let bytes = receipt.extra.as_deref().unwrap_or_default();
    let checked = receipt.verify(trust, bytes).map_err(|e| not_valid(&e))?;
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
    printer.answer(&answer, || {
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

/// What an entry says, for people.
fn describe(entry: &AuditEntry) -> String {
    let caller = entry.caller.as_ref().map_or_else(|| "the server".to_owned(), ToString::to_string);
    let case = entry.case.as_ref().map_or_else(String::new, |c| format!(" under case {c}"));
    format!("{caller}: {} {}{case} at {}", entry.action, entry.phase.as_str(), entry.at)
}
