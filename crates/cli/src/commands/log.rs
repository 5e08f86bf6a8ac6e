use std::{fs, path::PathBuf};

use access::{AuditDetail, Role};
use auditor::VerifyLog;
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use proto::v1;
use serde::Serialize;
use types::{CaptureTime, CaseId, TimeWindow};

use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::table,
    pages::{self, Listed},
    times::{self, parse_time},
    view::PartyView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Check a whole log, or that one checkpoint grew out of another; needs no server
    Verify(VerifyLog),
    /// The record, the oldest entry first
    List {
        /// Entries after this one
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
        /// At most so many; 0: all of them
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        about: Box<About>,
    },
    /// Fetch the receipt of an entry, which `sightline verify` checks
    Receipt {
        /// The entry's number
        entry: u64,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Which entries; each that is named must fit.
#[derive(Debug, Args)]
pub(crate) struct About {
    /// Only those under this case
    #[arg(long)]
    case: Option<CaseId>,
    /// Only those of this action: search, case.open
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// Only those with this outcome: permitted, done, cancelled, failed, or the word of a refusal
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Only those of callers of this name
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Only those of callers of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Only those of callers in this role
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)))]
    role: Option<String>,
    /// Written at this time or later, RFC 3339 with zone
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "to")]
    from: Option<CaptureTime>,
    /// and before this one
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from")]
    to: Option<CaptureTime>,
}

impl About {
    fn request(&self) -> Outcome<v1::ListAuditRequest> {
        let window = match self.from.zip(self.to) {
            Some((from, to)) => {
                Some(TimeWindow::new(from, to).map_err(|e| Failure::usage(e.to_string()).hint("--from must lie before --to"))?)
            }
            None => None,
        };
        let role = self.role.as_deref().and_then(|word| v1::Role::from_str_name(&format!("ROLE_{}", word.to_ascii_uppercase())));
        let caller = v1::Party {
            name: self.caller.clone().unwrap_or_default(),
            organisation: self.organisation.clone().unwrap_or_default(),
            role: role.unwrap_or_default().into(),
        };
        Ok(v1::ListAuditRequest {
            case_id: self.case.as_ref().map(ToString::to_string).unwrap_or_default(),
            action: self.action.clone().unwrap_or_default(),
            outcome: self.outcome.clone().unwrap_or_default(),
            caller: (caller != v1::Party::default()).then_some(caller),
            window: window.map(Into::into),
            ..Default::default()
        })
    }
}

impl Log {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        match self {
            Self::Verify(verify) => Ok(verify.run(ctx.printer, &ctx.home)?),
            Self::List { after, limit, about } => list(ctx, after, limit, &about).await,
            Self::Receipt { entry, out } => {
                let client = ctx.connect(Caller::Investigator).await?;
                save_receipt(&client, entry, &out).await?;
                let answer = serde_json::json!({ "entry": entry, "receipt": out });
                ctx.printer.answer(&answer, || format!("receipt of entry {entry} written to {}", out.display()));
                Ok(())
            }
        }
    }
}

/// Fetches a receipt and writes it where it can be checked later.
pub(crate) async fn save_receipt(client: &Client, entry: u64, out: &std::path::Path) -> Outcome {
    let answer = client.log().get_receipt(v1::GetReceiptRequest { audit_seq: entry }).await?.into_inner();
    fs::write(out, answer.receipt).map_err(|e| {
        Failure::because("receipt_unwritable", format!("write {}", out.display()), &e)
            .hint(format!("fetch it again: `sightline log receipt {entry} --out FILE`"))
    })
}

#[derive(Debug, Serialize)]
struct EntryView {
    entry: u64,
    time: Option<String>,
    caller: Option<PartyView>,
    action: String,
    outcome: String,
    case: String,
    leaf_sha256: String,
    /// As it is hashed.
    canonical: serde_json::Value,
}

impl From<v1::AuditRecord> for EntryView {
    fn from(r: v1::AuditRecord) -> Self {
        Self {
            entry: r.seq,
            time: times::json(r.time),
            caller: r.caller.map(Into::into),
            action: r.action,
            outcome: r.outcome,
            case: r.case_id,
            leaf_sha256: r.leaf_sha256,
            canonical: serde_json::from_slice(&r.entry).unwrap_or_default(),
        }
    }
}

impl EntryView {
    /// The case; or whom a certificate names, or whose a grant key is, with the key's fingerprint; an authority's fingerprint.
    fn about(&self) -> String {
        let detail = self.canonical.get("detail").cloned().unwrap_or_default();
        let detail: AuditDetail = serde_json::from_value(detail).unwrap_or_default();
        let whom = detail.identity.map(|who| who.uri()).or(detail.service.map(|s| s.to_string())).or(detail.key_owner);
        let key = detail.key_sha256.map(|key| format!("key {}", key.chars().take(16).collect::<String>()));
        match (whom, key) {
            (Some(whom), Some(key)) => format!("{whom} {key}"),
            (None, Some(key)) => key,
            _ => self.case.clone(),
        }
    }
}

async fn list(ctx: &Context, after_seq: u64, limit: u32, about: &About) -> Outcome {
    let asked = about.request()?;
    let mut service = ctx.connect(Caller::Auditor).await?.admin();
    let entries = pages::read(limit, async |limit, page_token| {
        let page = service.list_audit(v1::ListAuditRequest { after_seq, limit, page_token, ..asked.clone() }).await?.into_inner();
        Ok((page.entries, page.next_page_token))
    });
    let entries: Listed<EntryView> = entries.await?.into();
    ctx.printer.answer(&serde_json::json!({ "entries": entries.rows, "more": entries.more }), || {
        let row = |e: &EntryView| {
            let time = e.time.as_ref().map_or_else(String::new, |t| times::short(t, 0));
            let caller = e.caller.as_ref().map_or_else(|| "the server".to_owned(), PartyView::text);
            [e.entry.to_string(), time, caller, e.action.clone(), e.outcome.clone(), e.about()]
        };
        table(["ENTRY", "TIME", "CALLER", "ACTION", "OUTCOME", "ABOUT"], &entries.rows.iter().map(row).collect::<Vec<_>>())
    });
    entries.note(ctx);
    Ok(())
}
