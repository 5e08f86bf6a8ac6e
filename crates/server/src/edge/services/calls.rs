//! What was searched and exported under a case, as the record has it, for its requester.

use std::collections::BTreeMap;

use access::{Action, AuditDetail, Caller, Phase, check_see_marks};
use catalogue::AuditRecord;
use proto::v1;
use tonic::Status;
use types::CaseId;

use super::{Api, cases::id, convert::moment};
use crate::edge::{
    paging::{MOST, Page},
    status::Fault,
};

/// Entries read at once.
const BATCH: u32 = 1_000;

impl Api {
    pub(super) async fn list_case_calls_as(
        &self,
        caller: &Caller,
        request: v1::ListCaseCallsRequest,
    ) -> Result<v1::ListCaseCallsResponse, Status> {
        let id = id(Action::ListCaseCalls, &request.case_id)?;
        let (calls, next_page_token) = self
            .0
            .recorded(caller, Action::ListCaseCalls, Some(&id), AuditDetail::default(), async |_| {
                // Verdicts and searches are the requester's alone; an auditor has the record.
                check_see_marks(&self.stored(&id).await?.case, caller)?;
                let filter = (id.as_str(), request.exports);
                let page = Page::of("case_calls", filter, request.page_size, MOST, &request.page_token)?;
                let calls = self.calls_of(&id, request.exports, page.after, page.rows() as usize).await?;
                Ok(page.cut(calls, |call| call.audit_seq, Some))
            })
            .await?;
        Ok(v1::ListCaseCallsResponse { calls, next_page_token })
    }

    /// The newest `most` that began before an entry, the newest first. A call may end long after the next one began, so the case's
    /// entries are read to their end.
    async fn calls_of(&self, case: &CaseId, exports: bool, before: Option<u64>, most: usize) -> Result<Vec<v1::CaseCall>, Fault> {
        let mut calls: BTreeMap<u64, v1::CaseCall> = BTreeMap::new();
        let mut at = 0;
        loop {
            let some = self.0.catalogue().audit_since(at, Some(case), BATCH).await?;
            let Some(last) = some.last() else { break };
            at = last.receipt.seq;
            for record in &some {
                let seq = record.receipt.seq;
                match &record.entry.phase {
                    Phase::Begin if is_shown(record.entry.action, exports) && before.is_none_or(|before| seq < before) => {
                        calls.insert(seq, begun(record));
                        if calls.len() > most {
                            calls.pop_first();
                        }
                    }
                    Phase::Complete { begin, .. } => {
                        if let Some(call) = calls.get_mut(begin) {
                            ended(call, record);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(calls.into_values().rev().collect())
    }
}

fn is_shown(action: Action, exports: bool) -> bool {
    match action {
        Action::Export => true,
        Action::Search | Action::KeepLooking => !exports,
        _ => false,
    }
}

fn begun(record: &AuditRecord) -> v1::CaseCall {
    let detail = &record.entry.detail;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::CaseCall {
        audit_seq: record.receipt.seq,
        action: record.entry.action.as_str().to_owned(),
        outcome: record.entry.phase.as_str().to_owned(),
        time: moment(record.entry.at),
        classes: detail.classes.iter().map(|c| v1::Class::from(*c).into()).collect(),
        parts: detail.parts.iter().map(|p| v1::DescriptionPart::from(*p).into()).collect(),
        like: number(detail.like.len() + usize::from(detail.sighting.is_some())),
        window: detail.window.map(Into::into),
        cameras: number(detail.cameras.len()),
        ..v1::CaseCall::default()
    }
}

fn ended(call: &mut v1::CaseCall, record: &AuditRecord) {
    let detail = &record.entry.detail;
    call.completed_audit_seq = record.receipt.seq;
    record.entry.phase.as_str().clone_into(&mut call.outcome);
    call.results = detail.results.unwrap_or_default();
    call.manifest_sha256 = detail.export_sha256.clone().unwrap_or_default();
}
