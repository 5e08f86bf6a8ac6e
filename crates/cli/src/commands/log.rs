use std::{fs, path::PathBuf};

use access::{
    AuditDetail, AuditEntry, Role,
    log::{Note, NoteKey, Trust},
};
use audit_log::{FileTiles, LogFault, read_note, verify_folder, verify_growth};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use proto::v1;
use serde::Serialize;
use server::log::log_trust;
use types::{CaptureTime, CaseId, TimeWindow};

use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome, library},
    output::{count, table},
    pages::{self, Listed},
    times::{self, parse_time},
    view::PartyView,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Check a whole log, or that one checkpoint grew out of another; needs no server
    Verify(Verify),
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

#[derive(Debug, Args)]
pub(crate) struct Verify {
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

/// Whom to believe.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// The log's key, name+id+key, or a file that holds it [default: the home folder's]
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// A witness's key, or a file that holds it; repeat for more
    #[arg(long = "witness-key", value_name = "KEY")]
    witness_keys: Vec<String>,
    /// How many of these witnesses must have signed [default: all of them]
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,
}

impl Keys {
    pub(crate) fn trust(&self, ctx: &Context) -> Outcome<Trust> {
        let Trust { log, known, .. } = match &self.log_key {
            Some(key) => read_log_key(key)?,
            None => log_trust(ctx.home.layout()).map_err(|e| fault(&e).hint("name the log's key: `--log-key KEY`"))?,
        };
        let witnesses = self.witness_keys.iter().map(|k| read_key(k)).collect::<Outcome<Vec<_>>>()?;
        let quorum = self.quorum.unwrap_or(witnesses.len());
        if quorum > witnesses.len() {
            let message = format!("{quorum} witnesses can't be asked for with {}", count(witnesses.len() as u64, "key"));
            return Err(Failure::usage(message).hint("name each witness's key: `--witness-key KEY`"));
        }
        Ok(Trust { log, known, witnesses, quorum })
    }
}

pub(crate) fn read_key(text: &str) -> Outcome<NoteKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    audit_log::read_key(text.as_ref())
        .map_err(|e| fault(&e).hint("a key reads name+id+key; the log's is in pki/log.pub, a witness prints its own"))
}

/// A log's key; with a file comes what lies beside it of the log's other keys.
fn read_log_key(text: &str) -> Outcome<Trust> {
    let key = read_key(text)?;
    if text.parse::<NoteKey>().is_ok() {
        return Ok(Trust::of(key));
    }
    let file = audit_log::introductions_beside(text.as_ref());
    let known = audit_log::read_introductions(&file, key.name()).map_err(|e| fault(&e))?;
    Ok(Trust::knowing(key, known))
}

pub(crate) fn fault(error: &LogFault) -> Failure {
    library("log", error).hint(error.hint())
}

#[derive(Debug, Serialize)]
struct Verified {
    log: String,
    entries: u64,
    root: String,
    witnessed: Vec<String>,
}

impl Verified {
    fn new(trust: &Trust, checked: access::log::Checked) -> Self {
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

impl Log {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        match self {
            Self::Verify(verify) => verify.run(ctx),
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

impl Verify {
    fn run(self, ctx: &Context) -> Outcome {
        let trust = self.keys.trust(ctx)?;
        let tiles = FileTiles::new(self.dir.unwrap_or_else(|| ctx.home.layout().log()));
        let verified = match (&self.from, &self.to) {
            (Some(from), Some(to)) => {
                let (_, to) = verify_growth(&tiles, &trust, &note(from)?, &note(to)?).map_err(|e| fault(&e))?;
                Verified::new(&trust, to)
            }
            _ => Verified::new(&trust, verify_folder(&tiles, &trust, |_, _| {}).map_err(|e| fault(&e))?),
        };
        ctx.printer.answer(&verified, || verified.text());
        Ok(())
    }
}

fn note(path: &std::path::Path) -> Outcome<Note> {
    let missing = || LogFault::NoCheckpoint { path: path.to_owned() };
    read_note(path).and_then(|note| note.ok_or_else(missing)).map_err(|e| fault(&e))
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

/// What an entry says, for people.
pub(crate) fn describe(entry: &AuditEntry) -> String {
    let caller = entry.caller.as_ref().map_or_else(|| "the server".to_owned(), ToString::to_string);
    let case = entry.case.as_ref().map_or_else(String::new, |c| format!(" under case {c}"));
    format!("{caller}: {} {}{case} at {}", entry.action, entry.phase.as_str(), entry.at)
}
