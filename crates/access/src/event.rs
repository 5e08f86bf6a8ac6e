use std::{fmt, time::Duration};

use types::{CaseId, ReceiveTime};

use crate::{Case, Ending, Policy, Purpose};

/// A case that nobody authorised for so long is told of again.
const WAITS: Duration = Duration::from_secs(4 * 3600);
/// An authorised case is told of once so much of its time is left.
const EXPIRES_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What happened to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CaseEventKind {
    /// It was opened and waits to be authorised.
    Opened,
    /// It was opened and may be searched before anybody authorised it.
    Emergency,
    /// Nobody has authorised it for hours.
    Waiting,
    /// Somebody authorised it.
    Authorised,
    /// It ends soon.
    Expiring,
    /// It was closed.
    Closed,
    /// Somebody refused it.
    Refused,
    /// An emergency that nobody authorised in time.
    Unauthorised,
    /// An emergency ended, and no authoriser has said yes or no to it.
    ReviewDue,
}

impl CaseEventKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Opened,
        Self::Emergency,
        Self::Waiting,
        Self::Authorised,
        Self::Expiring,
        Self::Closed,
        Self::Refused,
        Self::Unauthorised,
        Self::ReviewDue,
    ];

    /// The word on the wire and in the catalogue.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Emergency => "emergency",
            Self::Waiting => "waiting",
            Self::Authorised => "authorised",
            Self::Expiring => "expiring",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Unauthorised => "unauthorised",
            Self::ReviewDue => "review_due",
        }
    }

    /// The kind of a word. `None` where there is none.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }
}

impl fmt::Display for CaseEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is told of a case to those who answer for it. Nothing about people, and nothing that somebody wrote but the case's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEvent {
    /// What happened.
    pub kind: CaseEventKind,
    /// The case it happened to.
    pub case: CaseId,
    /// The case's purpose.
    pub purpose: Purpose,
    /// When it happened, by the server's clock.
    pub at: ReceiveTime,
    /// Until when somebody may do something about it, or it permits searches.
    pub deadline: Option<ReceiveTime>,
}

impl CaseEvent {
    fn new(kind: CaseEventKind, case: &Case, at: ReceiveTime, deadline: Option<ReceiveTime>) -> Self {
        Self { kind, case: case.id().clone(), purpose: case.grant.purpose, at, deadline }
    }

    /// A case was opened.
    pub fn of_opening(policy: &Policy, case: &Case) -> Self {
        let (kind, deadline) = match case.emergency_until(policy) {
            Some(until) => (CaseEventKind::Emergency, until),
            None => (CaseEventKind::Opened, case.grant.expires),
        };
        Self::new(kind, case, case.grant.opened, Some(deadline))
    }

    /// What a change of a case comes to; nothing where it is the same as before.
    pub fn of_change(before: &Case, after: &Case) -> Vec<Self> {
        let mut events = Vec::new();
        if let Some(new) = after.authorisations.get(before.authorisations.len()) {
            events.push(Self::new(CaseEventKind::Authorised, after, new.at, Some(after.grant.expires)));
        }
        if let Some(closed) = after.closed.as_ref().filter(|closed| before.closed.as_ref() != Some(closed)) {
            let kind = match closed.ending {
                Ending::Closed => CaseEventKind::Closed,
                Ending::Refused => CaseEventKind::Refused,
                Ending::Unauthorised => CaseEventKind::Unauthorised,
            };
            events.push(Self::new(kind, after, closed.at, None));
            if after.is_review_due() && !before.is_review_due() {
                events.push(Self::new(CaseEventKind::ReviewDue, after, closed.at, None));
            }
        }
        events
    }

    /// Nobody has authorised the case for hours.
    pub fn waiting(policy: &Policy, case: &Case, now: ReceiveTime) -> Self {
        let deadline = case.emergency_until(policy).unwrap_or(case.grant.expires);
        Self::new(CaseEventKind::Waiting, case, now, Some(deadline))
    }

    /// The case ends soon.
    pub fn expiring(case: &Case, now: ReceiveTime) -> Self {
        Self::new(CaseEventKind::Expiring, case, now, Some(case.grant.expires))
    }

    /// Cases that were opened before this, and wait, are told of again.
    pub fn waiting_since(now: ReceiveTime) -> ReceiveTime {
        now.plus_micros(-i64::try_from(WAITS.as_micros()).unwrap_or(i64::MAX))
    }

    /// Cases that end before this are told of.
    pub fn expiring_until(now: ReceiveTime) -> ReceiveTime {
        now.plus_micros(i64::try_from(EXPIRES_WITHIN.as_micros()).unwrap_or(i64::MAX))
    }
}
