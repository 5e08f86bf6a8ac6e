use proto::v1;
use serde::Serialize;

use crate::view::{case_loss_word, purpose_word};
use crate::{output::table, times};

/// What a change of a camera's policy would take out of open cases.
#[derive(Debug, Serialize)]
pub(crate) struct AffectedView {
    camera: String,
    cases: Vec<AffectedCase>,
    /// Further cases, that are not named.
    more: u32,
}

#[derive(Debug, Serialize)]
struct AffectedCase {
    case: String,
    purpose: String,
    expires: Option<String>,
    /// `camera`, or `hours` and `oldest`.
    losses: Vec<String>,
}

impl AffectedView {
    pub(crate) fn of(camera: String, answer: v1::PreviewCameraPolicyResponse) -> Self {
        let case = |c: v1::AffectedCase| AffectedCase {
            purpose: purpose_word(c.purpose),
            expires: times::json(c.expires),
            losses: c.losses.into_iter().map(case_loss_word).collect(),
            case: c.case_id,
        };
        Self { camera, cases: answer.cases.into_iter().map(case).collect(), more: answer.more }
    }

    pub(crate) fn text(&self) -> String {
        if self.cases.is_empty() {
            return format!("no open case would lose anything of camera {}\nnothing was changed", self.camera);
        }
        let words = |losses: &[String]| {
            let word = |loss: &String| match loss.as_str() {
                "camera" => "the whole camera",
                "hours" => "sightings of some hours",
                "oldest" => "its oldest sightings",
                _ => "something",
            };
            losses.iter().map(word).collect::<Vec<_>>().join(", ")
        };
        let row = |c: &AffectedCase| {
            let expires = c.expires.as_ref().map_or_else(String::new, |t| times::short(t, 0));
            [c.case.clone(), c.purpose.clone(), expires, words(&c.losses)]
        };
        let rows: Vec<_> = self.cases.iter().map(row).collect();
        let more = if self.more == 0 { String::new() } else { format!("\nand {} more", self.more) };
        format!("{}{more}\nnothing was changed", table(["CASE", "PURPOSE", "ENDS", "WOULD LOSE"], &rows))
    }
}
