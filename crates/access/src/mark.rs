use serde::{Deserialize, Serialize};
use types::ReceiveTime;

use crate::{Caller, Case, Denial};

/// Whether a sighting shows whom a case is about, as its requester sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It shows them.
    Yes,
    /// It does not.
    No,
    /// It can't be told.
    Unsure,
    /// It was taken back.
    None,
}

impl Verdict {
    /// Every verdict, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Yes, Self::No, Self::Unsure, Self::None];

    /// The word on the wire and on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unsure => "unsure",
            Self::None => "none",
        }
    }

    /// The verdict of a word. `None` where there is none.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == word)
    }
}

/// What changes of what is kept of one sighting of a case: closed words, and nothing that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarkChange {
    /// `None`: stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Whether it lies in the tray; `None`: stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tray: Option<bool>,
}

/// Whether the caller may see the marks of a case: its requester alone, for as long as they are kept.
///
/// # Errors
/// As for a case that does not exist.
pub fn check_see_marks(case: &Case, caller: &Caller) -> Result<(), Denial> {
    let requester = &case.grant.requester;
    let own = requester.same_person(caller) && requester.role == caller.role;
    if own { Ok(()) } else { Err(Denial::no_case(case.id())) }
}

/// Whether the caller may change them: its requester, while the case is open.
///
/// # Errors
/// As [`check_see_marks`], and where the case is closed or over.
pub fn check_set_marks(case: &Case, caller: &Caller, now: ReceiveTime) -> Result<(), Denial> {
    check_see_marks(case, caller)?;
    case.check_open_at(now)
}
