use proto::v1;
use serde::Serialize;

use crate::view::purpose_word;
use crate::{output::table, times};

#[derive(Debug, Serialize)]
pub(crate) struct AgencyView {
    id: String,
    title: String,
    created: Option<String>,
}

impl From<v1::Agency> for AgencyView {
    fn from(a: v1::Agency) -> Self {
        Self { id: a.id, title: a.title, created: times::json(a.created) }
    }
}

impl AgencyView {
    pub(crate) fn table(agencies: &[Self]) -> String {
        if agencies.is_empty() {
            return "no agencies yet; add one: sightline agency add ID --title TITLE".into();
        }
        table(["AGENCY", "TITLE"], &agencies.iter().map(|a| [a.id.clone(), a.title.clone()]).collect::<Vec<_>>())
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CameraView {
    pub(crate) id: String,
    pub(crate) agency: String,
    pub(crate) title: String,
    /// Those that may search it.
    purposes: Vec<String>,
    paused: bool,
    revoked: bool,
    /// Minutes from midnight, UTC; over midnight where from > to.
    hours: Option<HoursView>,
    sensitive: bool,
    retention_s: Option<f64>,
    /// Of the times in the names of its recordings.
    zone: Option<String>,
    created: Option<String>,
}

#[derive(Debug, Serialize)]
struct HoursView {
    from_minute: u32,
    to_minute: u32,
}

impl From<v1::Camera> for CameraView {
    fn from(c: v1::Camera) -> Self {
        let policy = c.policy.unwrap_or_default();
        Self {
            id: c.id,
            agency: c.agency_id,
            title: c.title,
            purposes: policy.purposes.iter().map(|p| purpose_word(*p)).collect(),
            paused: policy.paused,
            revoked: policy.revoked,
            hours: policy.hours.map(|h| HoursView { from_minute: h.from_minute, to_minute: h.to_minute }),
            sensitive: policy.sensitive,
            retention_s: times::seconds(policy.retention),
            zone: Some(c.zone).filter(|zone| !zone.is_empty()),
            created: times::json(c.created),
        }
    }
}

impl CameraView {
    pub(crate) fn table(cameras: &[Self]) -> String {
        if cameras.is_empty() {
            return "no cameras yet; add one: sightline camera add ID --agency AGENCY --title PLACE".into();
        }
        let row = |c: &Self| {
            let clock = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
            let mut state = vec![
                if c.revoked {
                    "revoked"
                } else if c.paused {
                    "paused"
                } else {
                    "searchable"
                }
                .to_owned(),
            ];
            if let Some(h) = &c.hours {
                state.push(format!("{}-{} UTC", clock(h.from_minute), clock(h.to_minute)));
            }
            if c.sensitive {
                state.push("sensitive".into());
            }
            let purposes = if c.purposes.is_empty() { "all".into() } else { c.purposes.join(", ") };
            [c.id.clone(), c.agency.clone(), c.title.clone(), state.join(", "), purposes]
        };
        table(["CAMERA", "AGENCY", "PLACE", "STATE", "PURPOSES"], &cameras.iter().map(row).collect::<Vec<_>>())
    }
}
