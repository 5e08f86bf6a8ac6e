use proto::v1;
use serde::Serialize;

use crate::{
    output::table,
    times,
    view::{class_word, part_word},
};

/// A search or an export of a case, as the record has it.
#[derive(Debug, Serialize)]
pub(crate) struct CallView {
    audit_seq: u64,
    /// `None`: it has not ended.
    completed_audit_seq: Option<u64>,
    action: String,
    outcome: String,
    time: Option<String>,
    results: u32,
    classes: Vec<String>,
    parts: Vec<String>,
    like: u32,
    cameras: u32,
    manifest_sha256: Option<String>,
}

impl From<v1::CaseCall> for CallView {
    fn from(call: v1::CaseCall) -> Self {
        Self {
            audit_seq: call.audit_seq,
            completed_audit_seq: (call.completed_audit_seq > 0).then_some(call.completed_audit_seq),
            action: call.action,
            outcome: call.outcome,
            time: times::json(call.time),
            results: call.results,
            classes: call.classes.iter().map(|c| class_word(*c)).collect(),
            parts: call.parts.iter().map(|p| part_word(*p)).collect(),
            like: call.like,
            cameras: call.cameras,
            manifest_sha256: (!call.manifest_sha256.is_empty()).then_some(call.manifest_sha256),
        }
    }
}

impl CallView {
    pub(crate) fn table(calls: &[Self]) -> String {
        if calls.is_empty() {
            return "nothing was searched or exported".to_owned();
        }
        let row = |call: &Self| {
            let mut asked: Vec<_> = call.classes.iter().chain(&call.parts).map(|word| word.replace('_', " ")).collect();
            if call.like > 0 {
                asked.push(format!("like {}", crate::output::count(u64::from(call.like), "sighting")));
            }
            [
                call.time.as_ref().map_or_else(String::new, |t| times::short(t, 0)),
                call.action.replace('_', " "),
                call.outcome.clone(),
                call.results.to_string(),
                asked.join(", "),
                call.completed_audit_seq.unwrap_or(call.audit_seq).to_string(),
            ]
        };
        table(["TIME", "WHAT", "OUTCOME", "RESULTS", "ASKED FOR", "ENTRY"], &calls.iter().map(row).collect::<Vec<_>>())
    }
}
