use std::path::PathBuf;

use audit_log::export::{Files, check, is_plain_path};
use auditor::{bundle, not_whole};
use clap::Args;
use proto::v1::{self, export_request::Selection};
use serde::Serialize;
use types::{CaseId, SightingId};

use super::query::Query;
use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    output::{count, plain},
};

/// More than any export has: 1000 crops, twice.
const MOST_BYTES: usize = 512 << 20;

/// What a search finds, or the sightings named: redacted crops, a manifest, a report for people, the receipts of the case's
/// searches, and a seal that `sightline verify` checks. On the record, and charged like a search.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The case to export from
    #[arg(long)]
    case: CaseId,
    /// A folder that is not there yet, or FILE.zip
    #[arg(long, value_name = "DIR|FILE.zip")]
    out: PathBuf,
    /// This possible sighting; repeat for more
    #[arg(long = "sighting", value_name = "SIGHTING")]
    sightings: Vec<SightingId>,
    #[command(flatten)]
    query: Query,
}

#[derive(Debug, Serialize)]
struct ExportView {
    case: String,
    out: String,
    sightings: u32,
    files: u32,
    manifest_sha256: String,
    audit_seq: u64,
    completed_audit_seq: u64,
    /// Nobody has authorised the case yet.
    unauthorised: bool,
    left_out_cameras: Vec<String>,
}

impl Export {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let hint = "name what to look for (--class person --upper white), or what was found (--sighting ID)";
        match (self.sightings.is_empty(), self.query.is_nothing()) {
            (true, true) => return Err(Failure::usage("nothing to export").hint(hint)),
            (false, false) => return Err(Failure::usage("sightings are named and searched for at once").hint(hint)),
            _ => {}
        }
        // Before anything is charged.
        bundle::check_new(&self.out)?;
        let client = ctx.connect(Caller::Investigator).await?;
        let selection = if self.sightings.is_empty() {
            Selection::Search(self.query.request(&client, &self.case).await?)
        } else {
            let sighting_ids = self.sightings.iter().map(ToString::to_string).collect();
            Selection::Sightings(v1::SightingSelection { sighting_ids })
        };
        let request = v1::ExportRequest { case_id: self.case.to_string(), selection: Some(selection) };
        let (files, summary) = fetch(&client, request).await?;
        // Where the log's key is at hand, nothing is kept that would not be believed later.
        if let Ok(trust) = deployment::log_trust(ctx.home.layout()) {
            check(&files, &trust).map_err(|e| not_whole(&self.out, &e))?;
        }
        bundle::write(&self.out, &files)?;
        let view = ExportView {
            case: self.case.to_string(),
            out: std::path::absolute(&self.out).unwrap_or_else(|_| self.out.clone()).display().to_string(),
            sightings: summary.sightings,
            files: summary.files,
            manifest_sha256: summary.manifest_sha256,
            audit_seq: summary.audit_seq,
            completed_audit_seq: summary.completed_audit_seq,
            unauthorised: summary.unauthorised,
            left_out_cameras: summary.left_out_camera_ids,
        };
        ctx.printer.answer(&view, || view.text());
        Ok(())
    }
}

impl ExportView {
    fn text(&self) -> String {
        let mut text = format!(
            "exported {} of case {} to {}\n{}, sealed; audit entry {}; check it with `sightline verify`",
            count(self.sightings.into(), "possible sighting"),
            plain(&self.case),
            self.out,
            count(self.files.into(), "file"),
            self.completed_audit_seq
        );
        if !self.left_out_cameras.is_empty() {
            text += &format!("\nleft out by their owners: {}", plain(&self.left_out_cameras.join(", ")));
        }
        if self.unauthorised {
            text += "\nNOT AUTHORISED: destroy every copy if nobody authorises the case in time, or somebody refuses it";
        }
        text
    }
}

/// All files of an export, none of which may be written before the last is here.
async fn fetch(client: &Client, request: v1::ExportRequest) -> Outcome<(Files, v1::ExportSummary)> {
    let mut stream = client.export().export(request).await?.into_inner();
    let wrong = |what: &str| {
        Failure::new("bad_export", format!("the server sent {what}")).hint("nothing was written; is it a `sightline serve`?")
    };
    let (mut files, mut open, mut bytes) = (Files::new(), None::<(String, Vec<u8>)>, 0);
    while let Some(response) = stream.message().await? {
        match response.part {
            Some(v1::export_response::Part::Chunk(chunk)) => {
                bytes += chunk.data.len();
                if !is_plain_path(&chunk.path) || files.contains_key(&chunk.path) || bytes > MOST_BYTES {
                    return Err(wrong("a file that is none of an export"));
                }
                let (path, data) = open.get_or_insert_with(|| (chunk.path.clone(), Vec::new()));
                if *path != chunk.path {
                    return Err(wrong("two files at once"));
                }
                data.extend(chunk.data);
                if chunk.last {
                    files.extend(open.take());
                }
            }
            Some(v1::export_response::Part::Summary(summary)) if open.is_none() => return Ok((files, summary)),
            _ => return Err(wrong("half a file")),
        }
    }
    Err(Failure::new("cut_off", "the server broke off before the end of the export")
        .hint("nothing was written; export again, the server's log says more"))
}
