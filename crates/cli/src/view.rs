//! What the server sends, as JSON shapes (documented in `docs/cli.md`) and as text for people.

mod cameras;
mod cases;
mod operation;
mod results;

pub(crate) use cameras::{
    accesses::AccessView,
    affected::AffectedView,
    camera::{AgencyView, CameraView},
    live::LiveView,
};
pub(crate) use cases::{
    call::CallView,
    case::{CaseView, PartyView},
    event::EventView,
    mark::MarkView,
};
pub(crate) use operation::{
    job::{JobView, TotalsView},
    retention::{DeletionView, HoldView, RetentionView},
    status::{CertificateView, DiskView, DueView, HealthView, JobsView, LeftOutView, MemoryView, StatusView, StoredView},
};
use proto::v1;
pub(crate) use results::{
    hit::{HitView, SearchView},
    looking::LookingView,
};

/// `CASE_STATE_REQUESTED` of prefix `CASE_STATE_` is "requested".
fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

macro_rules! word {
    ($name:ident, $message:ident, $prefix:literal) => {
        pub(crate) fn $name(value: i32) -> String {
            v1::$message::try_from(value).map_or_else(|_| "unknown".into(), |w| lower(w.as_str_name(), $prefix))
        }
    };
}

word!(class_word, Class, "CLASS_");
word!(colour_word, Colour, "COLOUR_");
word!(carried_word, Carried, "CARRIED_");
word!(vehicle_word, VehicleKind, "VEHICLE_KIND_");
word!(stature_word, Stature, "STATURE_");
word!(purpose_word, Purpose, "PURPOSE_");
word!(role_word, Role, "ROLE_");
word!(case_state_word, CaseState, "CASE_STATE_");
word!(case_loss_word, CaseLoss, "CASE_LOSS_");
word!(case_event_word, CaseEventKind, "CASE_EVENT_KIND_");
word!(part_word, DescriptionPart, "DESCRIPTION_PART_");
word!(job_state_word, JobState, "JOB_STATE_");
word!(time_source_word, TimeSource, "TIME_SOURCE_");
word!(camera_state_word, CameraState, "CAMERA_STATE_");
word!(hold_state_word, HoldState, "HOLD_STATE_");
word!(verdict_word, Verdict, "VERDICT_");
word!(finding_word, FindingKind, "FINDING_KIND_");

/// `None` for a case that is not closed.
pub(crate) fn ending_word(value: i32) -> Option<String> {
    let ending = v1::CaseEnding::try_from(value).ok().filter(|e| *e != v1::CaseEnding::Unspecified)?;
    Some(lower(ending.as_str_name(), "CASE_ENDING_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_wire_read_like_those_of_the_command_line() {
        assert_eq!(purpose_word(v1::Purpose::MissingPerson.into()), "missing_person");
        assert_eq!(colour_word(v1::Colour::Grey.into()), "grey");
        assert_eq!(class_word(4711), "unknown");
    }
}
