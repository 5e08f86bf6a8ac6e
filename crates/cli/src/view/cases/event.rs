use proto::v1;
use serde::Serialize;

use crate::view::{case_event_word, purpose_word};
use crate::{output::plain, times};

/// What happened to a case.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    /// Watch again after it.
    event: u64,
    kind: String,
    case: String,
    purpose: String,
    time: Option<String>,
    /// Until when somebody may do something about it, or it permits searches.
    deadline: Option<String>,
}

impl From<v1::CaseEvent> for EventView {
    fn from(e: v1::CaseEvent) -> Self {
        Self {
            event: e.number,
            kind: case_event_word(e.kind),
            case: e.case_id,
            purpose: purpose_word(e.purpose),
            time: times::json(e.time),
            deadline: times::json(e.deadline),
        }
    }
}

impl EventView {
    pub(crate) fn text(&self) -> String {
        let short = |time: &Option<String>| time.as_ref().map_or_else(String::new, |t| times::short(t, 0));
        let until = self.deadline.as_ref().map_or_else(String::new, |t| format!(", until {}", times::short(t, 0)));
        let (kind, purpose) = (self.kind.replace('_', " "), self.purpose.replace('_', " "));
        plain(&format!("{}  {}  {kind}: case {} ({purpose}{until})", self.event, short(&self.time), self.case))
    }
}
