use proto::v1;
use serde::Serialize;

use crate::view::PartyView;
use crate::{output::table, times};

/// Somebody looked at a camera.
#[derive(Debug, Serialize)]
pub(crate) struct AccessView {
    time: Option<String>,
    who: PartyView,
    /// `search` or `crop`.
    action: String,
    case: String,
    audit_seq: u64,
}

impl From<v1::CameraAccess> for AccessView {
    fn from(a: v1::CameraAccess) -> Self {
        Self {
            time: times::json(a.time),
            who: a.caller.unwrap_or_default().into(),
            action: a.action,
            case: a.case_id,
            audit_seq: a.audit_seq,
        }
    }
}

impl AccessView {
    pub(crate) fn table(accesses: &[Self]) -> String {
        if accesses.is_empty() {
            return "nobody has looked at this camera".into();
        }
        let row = |a: &Self| {
            let time = a.time.as_ref().map_or_else(String::new, |t| times::short(t, 0));
            [time, a.who.text(), a.action.clone(), a.case.clone(), a.audit_seq.to_string()]
        };
        table(["TIME", "WHO", "WHAT", "CASE", "ENTRY"], &accesses.iter().map(row).collect::<Vec<_>>())
    }
}
