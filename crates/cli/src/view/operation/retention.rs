use std::fmt::Write;

use proto::v1;
use serde::Serialize;

use crate::view::{PartyView, hold_state_word};
use crate::{
    output::{count, plain, table},
    times,
};

/// How deletion stands.
#[derive(Debug, Serialize)]
pub(crate) struct RetentionView {
    buckets: Vec<BucketView>,
    pub(crate) overdue: u64,
    held: u64,
    last_clean: Option<String>,
    /// Of this machine, against the latest time it ever showed.
    clock_behind_s: Option<f64>,
    /// Further than is believed.
    clock_ahead_s: Option<f64>,
    default_retention_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct BucketView {
    day: String,
    cameras: u32,
    due: Option<String>,
    overdue: bool,
}

/// What of a day was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct DeletionView {
    number: u64,
    day: String,
    whole: bool,
    sightings: u64,
    cameras: Vec<ShareView>,
    held: u64,
    ids_sha256: String,
    begun: Option<String>,
    finished: Option<String>,
    /// `None` while it is under way.
    audit_seq: Option<u64>,
    probe: Option<ProbeView>,
}

#[derive(Debug, Serialize)]
struct ShareView {
    camera: String,
    sightings: u64,
    stored_before: Option<String>,
}

#[derive(Debug, Serialize)]
struct ProbeView {
    ids: u64,
    vectors: u64,
    found: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct HoldView {
    id: String,
    case: String,
    state: String,
    holds: bool,
    cameras: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    expires: Option<String>,
    placed: Option<ActView>,
    confirmed: Option<ActView>,
    release_asked: Option<ActView>,
    released: Option<ActView>,
}

#[derive(Debug, Serialize)]
struct ActView {
    by: PartyView,
    time: Option<String>,
}

impl From<v1::RetentionStatusResponse> for RetentionView {
    fn from(r: v1::RetentionStatusResponse) -> Self {
        let bucket = |b: v1::Bucket| BucketView { day: b.day, cameras: b.cameras, due: times::json(b.due), overdue: b.overdue };
        Self {
            buckets: r.buckets.into_iter().map(bucket).collect(),
            overdue: r.overdue,
            held: r.held,
            last_clean: times::json(r.last_clean),
            clock_behind_s: times::seconds(r.clock_behind),
            clock_ahead_s: times::seconds(r.clock_ahead),
            default_retention_s: times::seconds(r.default_retention),
        }
    }
}

impl RetentionView {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if !self.buckets.is_empty() {
            let row = |b: &BucketView| {
                let state = if b.overdue { "overdue" } else { "" };
                [b.day.clone(), b.cameras.to_string(), short(b.due.as_ref()), state.to_owned()]
            };
            let rows: Vec<_> = self.buckets.iter().map(row).collect();
            let _ = writeln!(text, "{}", table(["DAY", "CAMERAS", "FIRST DUE", ""], &rows));
        }
        if let Some(behind) = self.clock_behind_s {
            let _ = writeln!(text, "this machine's clock is {behind:.0} s behind the latest time it ever showed");
        }
        if let Some(ahead) = self.clock_ahead_s {
            let days = ahead / 86_400.0;
            let _ = writeln!(text, "this machine's clock leapt {days:.0} days ahead: nothing is deleted by it");
        }
        if self.held > 0 {
            let _ = writeln!(text, "{} kept by holds", count(self.held, "sighting"));
        }
        let last = self.last_clean.as_ref().map_or_else(|| "not yet".to_owned(), |t| times::short(t, 0));
        let _ = write!(text, "{} overdue; nothing left to delete as of: {last}", count(self.overdue, "deletion"));
        text
    }
}

impl From<v1::Deletion> for DeletionView {
    fn from(d: v1::Deletion) -> Self {
        let share = |s: v1::DeletedShare| ShareView {
            camera: s.camera_id,
            sightings: s.sightings,
            stored_before: times::json(s.stored_before),
        };
        Self {
            number: d.number,
            day: d.day,
            whole: d.whole,
            sightings: d.sightings,
            cameras: d.shares.into_iter().map(share).collect(),
            held: d.held,
            ids_sha256: d.ids_sha256,
            begun: times::json(d.begun),
            finished: times::json(d.finished),
            audit_seq: Some(d.audit_seq).filter(|n| *n > 0),
            probe: d.probe.map(|p| ProbeView { ids: p.ids, vectors: p.vectors, found: p.found }),
        }
    }
}

impl DeletionView {
    pub(crate) fn table(deletions: &[Self]) -> String {
        if deletions.is_empty() {
            return "nothing was deleted yet".into();
        }
        let row = |d: &Self| {
            let probe = match &d.probe {
                Some(p) if p.found == 0 => "nothing found".to_owned(),
                Some(p) => format!("{} found", p.found),
                None => "not yet".to_owned(),
            };
            let what = if d.whole { "whole day" } else { "in part" };
            let entry = d.audit_seq.map_or_else(|| "under way".to_owned(), |n| n.to_string());
            [
                d.day.clone(),
                what.to_owned(),
                d.sightings.to_string(),
                d.held.to_string(),
                short(d.finished.as_ref()),
                probe,
                entry,
            ]
        };
        let rows: Vec<_> = deletions.iter().map(row).collect();
        table(["DAY", "WHAT", "SIGHTINGS", "HELD", "DELETED", "SEARCHED FOR", "ENTRY"], &rows)
    }
}

impl From<v1::Hold> for HoldView {
    fn from(h: v1::Hold) -> Self {
        let act = |a: v1::HoldAct| ActView { by: a.party.unwrap_or_default().into(), time: times::json(a.time) };
        let window = h.window.unwrap_or_default();
        Self {
            id: h.id,
            case: h.case_id,
            state: hold_state_word(h.state),
            holds: h.holds,
            cameras: h.camera_ids,
            from: times::json(window.from),
            to: times::json(window.to),
            expires: times::json(h.expires),
            placed: h.placed.map(act),
            confirmed: h.confirmed.map(act),
            release_asked: h.release_asked.map(act),
            released: h.released.map(act),
        }
    }
}

impl HoldView {
    pub(crate) fn table(holds: &[Self]) -> String {
        if holds.is_empty() {
            return "no holds".into();
        }
        let row = |h: &Self| {
            let holds = if h.holds { "yes" } else { "no" };
            [
                h.id.clone(),
                h.case.clone(),
                h.state.replace('_', " "),
                holds.to_owned(),
                h.cameras.join(", "),
                short(h.expires.as_ref()),
            ]
        };
        table(["HOLD", "CASE", "STATE", "HOLDS", "CAMERAS", "EXPIRES"], &holds.iter().map(row).collect::<Vec<_>>())
    }

    pub(crate) fn text(&self) -> String {
        let what = match self.state.as_str() {
            "asked" => "waits for somebody of another organisation to confirm it; it holds nothing yet",
            "release_asked" => "goes on until somebody of another organisation agrees to its release",
            "released" => "is released",
            _ if self.holds => "holds",
            _ => "is over",
        };
        format!(
            "hold {} {what}\n  on {} of case {}, until {}",
            plain(&self.id),
            plain(&self.cameras.join(", ")),
            plain(&self.case),
            short(self.expires.as_ref())
        )
    }
}

fn short(time: Option<&String>) -> String {
    time.map_or_else(String::new, |t| times::short(t, 0))
}
