//! What the requester of a case thinks of its sightings: verdicts, and the tray. Ids and closed words alone.

use std::collections::BTreeMap;

use access::{Action, AuditDetail, Caller, Denial, MarkChange, Verdict, check_see_marks, check_set_marks};
use catalogue::{KeptMark, MarkPlace};
use proto::{BadMessage, v1};
use tonic::Status;
use types::SightingId;

use super::{Api, cases::id, convert::moment};
use crate::edge::{
    paging::{MOST, Page},
    status::{Fault, status},
};

impl Api {
    pub(super) async fn set_marks_as(
        &self,
        caller: &Caller,
        request: v1::SetMarksRequest,
    ) -> Result<v1::SetMarksResponse, Status> {
        let id = id(Action::SetMarks, &request.case_id)?;
        let marks = changes_from(&request.changes).map_err(|fault| status(Action::SetMarks, fault))?;
        let named: Vec<_> = marks.keys().copied().collect();
        let detail = AuditDetail { marks: marks.clone(), ..AuditDetail::default() };
        let kept = self
            .0
            .recorded(caller, Action::SetMarks, Some(&id), detail, async |_| {
                let case = self.stored(&id).await?.case;
                let now = self.0.now();
                check_set_marks(&case, caller, now)?;
                if self.0.not_handed_out(&id, &named).await?.is_some() {
                    return Err(Denial::not_handed_out(&id).into());
                }
                self.0.catalogue().set_marks(&id, &marks, now).await?;
                Ok(self.0.catalogue().marks(&id, &named).await?)
            })
            .await?;
        Ok(v1::SetMarksResponse { marks: kept.iter().map(message).collect() })
    }

    pub(super) async fn list_marks_as(
        &self,
        caller: &Caller,
        request: v1::ListMarksRequest,
    ) -> Result<v1::ListMarksResponse, Status> {
        let id = id(Action::ListMarks, &request.case_id)?;
        let (marks, next_page_token) = self
            .0
            .recorded(caller, Action::ListMarks, Some(&id), AuditDetail::default(), async |_| {
                check_see_marks(&self.stored(&id).await?.case, caller)?;
                let verdict = verdict_from(request.verdict)?;
                let filter = (id.as_str(), request.verdict, request.in_tray);
                let page = Page::of("marks", filter, request.page_size, MOST, &request.page_token)?;
                let rows = self.0.catalogue().marks_page(&id, verdict, request.in_tray, page.after.as_ref(), page.rows()).await?;
                Ok(page.cut(rows, MarkPlace::of, |kept| Some(message(&kept))))
            })
            .await?;
        Ok(v1::ListMarksResponse { marks, next_page_token })
    }
}

fn changes_from(changes: &[v1::MarkChange]) -> Result<BTreeMap<SightingId, MarkChange>, Fault> {
    let nothing = |what: &str| Fault::invalid("nothing_marked", what, "name each sighting once, with what changes of it");
    if changes.is_empty() {
        return Err(nothing("no sighting is named"));
    }
    let mut read = BTreeMap::new();
    for change in changes {
        let id = proto::sighting_id(&change.sighting_id)?;
        let change = MarkChange { verdict: verdict_from(change.verdict)?, tray: change.in_tray };
        if change == MarkChange::default() {
            return Err(nothing("nothing is said of a sighting"));
        }
        if read.insert(id, change).is_some() {
            return Err(nothing("a sighting is named twice"));
        }
    }
    Ok(read)
}

/// `None`: unspecified.
fn verdict_from(value: i32) -> Result<Option<Verdict>, BadMessage> {
    match v1::Verdict::try_from(value) {
        Ok(v1::Verdict::Unspecified) => Ok(None),
        Ok(v1::Verdict::Yes) => Ok(Some(Verdict::Yes)),
        Ok(v1::Verdict::No) => Ok(Some(Verdict::No)),
        Ok(v1::Verdict::Unsure) => Ok(Some(Verdict::Unsure)),
        Ok(v1::Verdict::None) => Ok(Some(Verdict::None)),
        Err(_) => Err(BadMessage::Word { field: "verdict", kind: "verdict", value }),
    }
}

fn message(kept: &KeptMark) -> v1::Mark {
    let verdict = match kept.verdict {
        Some(Verdict::Yes) => v1::Verdict::Yes,
        Some(Verdict::No) => v1::Verdict::No,
        Some(Verdict::Unsure) => v1::Verdict::Unsure,
        None | Some(Verdict::None) => v1::Verdict::Unspecified,
    };
    v1::Mark { sighting_id: kept.sighting.to_string(), verdict: verdict.into(), in_tray: kept.tray, time: moment(kept.at) }
}
