//! The record for those who check it: entries chosen by what they are about.

use access::{Action, Code, Role};
use catalogue::AuditRecord;
use proto::{BadMessage, v1};
use types::{CaseId, TimeWindow};

use super::{Api, convert::audit_message};
use crate::edge::{paging::Page, status::Fault};

const DEFAULT_LISTED: u32 = 100;
/// Entries read at once.
const PAGE: u32 = 1_000;
/// A page ends after so many that were looked at, whether they fit or not.
const MOST_LOOKED_AT: usize = 20_000;

/// What is asked of the record. The entries themselves decide, not the columns beside them.
struct Asked {
    case: Option<CaseId>,
    action: Option<Action>,
    outcome: Option<String>,
    name: String,
    organisation: String,
    role: Option<Role>,
    window: Option<TimeWindow>,
}

impl Asked {
    fn from_message(request: &v1::ListAuditRequest) -> Result<Self, Fault> {
        let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let case = named(&request.case_id).map(|id| CaseId::new(&id)).transpose().map_err(BadMessage::from)?;
        let no_word = |what: &str, word: &str| {
            let word: String = word.chars().take(40).collect();
            Fault::invalid(
                "no_word",
                format!("{word:?} is no {what} of the record"),
                "`sightline log list` shows those there are",
            )
        };
        let action = match request.action.as_str() {
            "" => None,
            word => Some(Action::parse(word).ok_or_else(|| no_word("action", word))?),
        };
        let outcomes = ["permitted", "done", "cancelled", "failed"];
        let is_outcome = |word: &str| outcomes.contains(&word) || Code::ALL.iter().any(|code| code.as_str() == word);
        let outcome = named(&request.outcome);
        if let Some(word) = outcome.as_ref().filter(|word| !is_outcome(word)) {
            return Err(no_word("outcome", word));
        }
        let caller = request.caller.clone().unwrap_or_default();
        Ok(Self {
            case,
            action,
            outcome,
            role: role_from(caller.role)?,
            name: caller.name,
            organisation: caller.organisation,
            window: request.window.map(TryInto::try_into).transpose()?,
        })
    }

    fn fits(&self, record: &AuditRecord) -> bool {
        let entry = &record.entry;
        let of_caller = |fits: &dyn Fn(&access::Caller) -> bool| entry.caller.as_ref().is_some_and(fits);
        let in_window =
            |window: &TimeWindow| (window.from().as_micros()..window.to().as_micros()).contains(&entry.at.as_micros());
        self.case.as_ref().is_none_or(|case| entry.case.as_ref() == Some(case))
            && self.action.is_none_or(|action| entry.action == action)
            && self.outcome.as_ref().is_none_or(|outcome| entry.phase.as_str() == outcome)
            && (self.name.is_empty() || of_caller(&|c| c.name.as_str() == self.name))
            && (self.organisation.is_empty() || of_caller(&|c| c.organisation.as_str() == self.organisation))
            && self.role.is_none_or(|role| of_caller(&|c| c.role == role))
            && self.window.as_ref().is_none_or(in_window)
    }
}

fn role_from(value: i32) -> Result<Option<Role>, BadMessage> {
    match v1::Role::try_from(value) {
        Ok(v1::Role::Unspecified) => Ok(None),
        Ok(v1::Role::Investigator) => Ok(Some(Role::Investigator)),
        Ok(v1::Role::Authoriser) => Ok(Some(Role::Authoriser)),
        Ok(v1::Role::CameraOwner) => Ok(Some(Role::CameraOwner)),
        Ok(v1::Role::Operator) => Ok(Some(Role::Operator)),
        Ok(v1::Role::Auditor) => Ok(Some(Role::Auditor)),
        Ok(v1::Role::Ingest) => Ok(Some(Role::Ingest)),
        Err(_) => Err(BadMessage::Word { field: "caller.role", kind: "role", value }),
    }
}

impl Api {
    /// The next entries that fit, and the token of the page after them.
    pub(super) async fn audit_page(&self, request: &v1::ListAuditRequest) -> Result<(Vec<v1::AuditRecord>, String), Fault> {
        let asked = Asked::from_message(request)?;
        let window = asked.window.map(|window| (window.from().as_micros(), window.to().as_micros()));
        let caller = (&asked.name, &asked.organisation, asked.role);
        let filter = (request.after_seq, &request.case_id, &request.action, &request.outcome, caller, window);
        let page = Page::of("audit", filter, request.limit, DEFAULT_LISTED, &request.page_token)?;
        let (mut rows, mut at, mut looked_at) = (Vec::new(), page.after.unwrap_or(request.after_seq), 0);
        let more = loop {
            let some = self.0.catalogue().audit_since(at, asked.case.as_ref(), PAGE.max(page.rows())).await?;
            let Some(last) = some.last() else { break false };
            at = last.receipt.seq;
            looked_at += some.len();
            rows.extend(some.into_iter().filter(|record| asked.fits(record)));
            if rows.len() >= page.rows() as usize || looked_at >= MOST_LOOKED_AT {
                break true;
            }
        };
        let (entries, next) = page.cut(rows, |e| e.receipt.seq, |e| Some(audit_message(e)));
        let next = if next.is_empty() && more { page.token_after(&at) } else { next };
        Ok((entries, next))
    }
}
