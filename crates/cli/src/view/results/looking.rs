use std::fmt::Write;

use proto::v1;
use serde::Serialize;

use crate::view::HitView;
use crate::{
    output::{count, plain},
    times,
};

/// A line of a search that goes on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LookingView {
    Began(BeganView),
    Hit(Box<HitView>),
    Ended(EndedView),
}

#[derive(Debug, Serialize)]
pub(crate) struct BeganView {
    until: Option<String>,
    cameras: Vec<String>,
    left_out_cameras: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    audit_seq: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct EndedView {
    hits: u32,
    withheld: u32,
    withheld_cameras: Vec<String>,
    seconds: Option<f64>,
    audit_seq: u64,
    completed_audit_seq: u64,
}

impl LookingView {
    pub(crate) fn began(began: v1::KeepLookingBegan) -> Self {
        let window = began.window.unwrap_or_default();
        Self::Began(BeganView {
            until: times::json(began.until),
            cameras: began.camera_ids,
            left_out_cameras: began.left_out_camera_ids,
            from: times::json(window.from),
            to: times::json(window.to),
            audit_seq: began.audit_seq,
        })
    }

    pub(crate) fn hit(hit: HitView) -> Self {
        Self::Hit(Box::new(hit))
    }

    pub(crate) fn ended(summary: &v1::SearchSummary) -> Self {
        Self::Ended(EndedView {
            hits: summary.hits,
            withheld: summary.withheld,
            withheld_cameras: summary.withheld_camera_ids.clone(),
            seconds: times::seconds(summary.elapsed),
            audit_seq: summary.audit_seq,
            completed_audit_seq: summary.completed_audit_seq,
        })
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Began(began) => {
                let cameras = count(began.cameras.len() as u64, "camera");
                let until = began.until.as_ref().map_or_else(|| "?".to_owned(), |t| times::short(t, 0));
                let mut text = format!("looking on in {cameras} until {until}; audit entry {}", began.audit_seq);
                if !began.left_out_cameras.is_empty() {
                    let _ = write!(text, "\nleft out by their owners: {}", plain(&began.left_out_cameras.join(", ")));
                }
                text
            }
            Self::Hit(hit) => hit.text(0),
            Self::Ended(ended) => {
                let mut text = format!("over after {}", count(u64::from(ended.hits), "possible sighting"));
                if ended.withheld > 0 {
                    let cameras = plain(&ended.withheld_cameras.join(", "));
                    let _ = write!(text, "; withheld, because it stopped being allowed: {} of {cameras}", ended.withheld);
                }
                text
            }
        }
    }
}
