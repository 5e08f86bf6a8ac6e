use proto::v1;
use serde::Serialize;

use crate::view::verdict_word;
use crate::{output::table, times};

/// What is kept of a sighting under a case.
#[derive(Debug, Serialize)]
pub(crate) struct MarkView {
    sighting: String,
    /// `yes`, `no`, `unsure`, or nothing.
    verdict: Option<String>,
    tray: bool,
    time: Option<String>,
}

impl From<v1::Mark> for MarkView {
    fn from(mark: v1::Mark) -> Self {
        let verdict = (mark.verdict() != v1::Verdict::Unspecified).then(|| verdict_word(mark.verdict));
        Self { sighting: mark.sighting_id, verdict, tray: mark.in_tray, time: times::json(mark.time) }
    }
}

impl MarkView {
    pub(crate) fn table(marks: &[Self]) -> String {
        if marks.is_empty() {
            return "nothing is marked".to_owned();
        }
        let row = |mark: &Self| {
            let time = mark.time.as_ref().map_or_else(String::new, |t| times::short(t, 0));
            let tray = if mark.tray { "in the tray" } else { "" };
            [mark.sighting.clone(), mark.verdict.clone().unwrap_or_default(), tray.to_owned(), time]
        };
        table(["SIGHTING", "VERDICT", "TRAY", "CHANGED"], &marks.iter().map(row).collect::<Vec<_>>())
    }
}
