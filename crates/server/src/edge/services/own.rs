use access::{Code as Why, Denial};
use types::AgencyId;

/// An agency's cameras belong to the organisation of its name.
pub(super) fn not_yours(agency: &AgencyId) -> Denial {
    let reason = format!("the cameras of {agency} are not your organisation's");
    Denial::new(Why::NotYours, reason, "ask the agency, or an operator")
}
