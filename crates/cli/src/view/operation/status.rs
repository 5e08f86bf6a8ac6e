use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::view::PartyView;
use crate::{
    output::{count, plain},
    times,
};

/// A deployment on one screen. What the caller's role may not see is `None`, and `left_out` says who may.
#[derive(Debug, Serialize)]
pub(crate) struct StatusView {
    pub(crate) server: String,
    pub(crate) version: String,
    pub(crate) up_s: Option<f64>,
    pub(crate) caller: PartyView,
    /// Every service answers.
    pub(crate) healthy: bool,
    pub(crate) health: Vec<HealthView>,
    pub(crate) agencies: u64,
    pub(crate) cameras: u64,
    /// Cameras with a stream, by state.
    pub(crate) watched: Option<BTreeMap<String, u64>>,
    pub(crate) jobs: JobsView,
    pub(crate) sightings: u64,
    pub(crate) stored: Option<StoredView>,
    /// Where the data lie: the server says it to an operator, this machine to whoever is on it.
    pub(crate) disk: Option<DiskView>,
    /// Of the server's process; told to operators.
    pub(crate) memory: Option<MemoryView>,
    /// Where the deployment's dashboards are; told to operators.
    pub(crate) dashboards: Option<String>,
    pub(crate) due: DueView,
    pub(crate) left_out: Vec<LeftOutView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HealthView {
    /// Empty: the server as a whole.
    pub(crate) service: String,
    pub(crate) serving: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct JobsView {
    pub(crate) queued: u64,
    pub(crate) running: u64,
    /// Of the newest 1000 jobs.
    pub(crate) ended: Option<BTreeMap<String, u64>>,
}

/// What is stored, by camera and UTC day.
#[derive(Debug, Serialize)]
pub(crate) struct StoredView {
    pub(crate) days: u64,
    /// Days of each camera, added up.
    pub(crate) camera_days: u64,
    pub(crate) per_camera_and_day: Option<f64>,
    /// Kept by legal holds beyond their time.
    pub(crate) held: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct DiskView {
    pub(crate) path: String,
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct MemoryView {
    pub(crate) bytes: u64,
    pub(crate) limit_bytes: u64,
}

/// What somebody should do.
#[derive(Debug, Serialize)]
pub(crate) struct DueView {
    pub(crate) cases_to_authorise: Option<u64>,
    /// Emergencies that nobody has authorised or refused.
    pub(crate) emergencies_to_review: Option<u64>,
    /// Legal holds that wait for a second person: to begin, or to be released.
    pub(crate) holds_to_confirm: Option<u64>,
    pub(crate) deletions_overdue: Option<u64>,
    /// The server's clock leapt ahead by this: nothing is deleted until it is put right.
    pub(crate) clock_ahead_s: Option<f64>,
    /// Those that end within 30 days, as far as the server or this home folder knows.
    pub(crate) certificates: Vec<CertificateView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CertificateView {
    pub(crate) of: String,
    pub(crate) expires: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LeftOutView {
    pub(crate) what: &'static str,
    /// Roles that see it.
    pub(crate) roles: Vec<&'static str>,
}

impl StatusView {
    pub(crate) fn text(&self) -> String {
        let up = self.up_s.and_then(|s| Duration::try_from_secs_f64(s).ok()).map_or_else(|| "-".to_owned(), times::human);
        let mut lines = vec![
            line("server", &format!("{}, version {}, up {up}", self.server, self.version)),
            line("called by", &self.caller.text()),
            line("health", &self.health_text()),
            line("cameras", &self.cameras_text()),
            line("jobs", &self.jobs_text()),
            line("sightings", &self.sightings_text()),
        ];
        lines.push(line(
            "disk",
            &self.disk.as_ref().map_or_else(
                || "not known: the data are not on this machine".to_owned(),
                |d| format!("{} free of {} at {}", bytes(d.free_bytes), bytes(d.total_bytes), d.path),
            ),
        ));
        if let Some(memory) = &self.memory {
            lines.push(line("memory", &format!("{} of {}", bytes(memory.bytes), bytes(memory.limit_bytes))));
        }
        if let Some(dashboards) = &self.dashboards {
            lines.push(line("dashboards", dashboards));
        }
        let due = self.due.lines();
        if due.is_empty() {
            lines.push(line("due", "nothing"));
        }
        lines.extend(due.iter().enumerate().map(|(i, what)| line(if i == 0 { "due" } else { "" }, what)));
        if !self.left_out.is_empty() {
            let each = |l: &LeftOutView| format!("{} ({})", l.what, l.roles.join(", ").replace('_', " "));
            lines.push(line("not shown", &self.left_out.iter().map(each).collect::<Vec<_>>().join("; ")));
        }
        lines.join("\n")
    }

    fn health_text(&self) -> String {
        let name = |h: &HealthView| if h.service.is_empty() { "the server".to_owned() } else { h.service.clone() };
        let bad: Vec<_> = self.health.iter().filter(|h| !h.serving).map(name).collect();
        if bad.is_empty() { "every service answers".to_owned() } else { format!("NOT SERVING: {}", bad.join(", ")) }
    }

    fn cameras_text(&self) -> String {
        let all = format!("{} of {}", self.cameras, agencies(self.agencies));
        match &self.watched {
            None => all,
            Some(watched) if watched.is_empty() => format!("{all}; none has a live stream"),
            Some(watched) => format!("{all}; live streams: {}", by_state(watched)),
        }
    }

    fn jobs_text(&self) -> String {
        let under_way = format!("{} queued, {} running", self.jobs.queued, self.jobs.running);
        match self.jobs.ended.as_ref().filter(|ended| !ended.is_empty()) {
            None => under_way,
            Some(ended) => format!("{under_way}, {}", by_state(ended)),
        }
    }

    fn sightings_text(&self) -> String {
        let mut text = self.sightings.to_string();
        if let Some(stored) = &self.stored {
            if let Some(each) = stored.per_camera_and_day {
                text.push_str(&format!(", {each:.1} a camera and day ({} over all cameras)", count(stored.camera_days, "day")));
            }
            if stored.held > 0 {
                text.push_str(&format!(", {} kept by legal holds", stored.held));
            }
        }
        text
    }
}

impl DueView {
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut add = |what: &str, n: Option<u64>, command: &str| {
            if let Some(n) = n.filter(|n| *n > 0) {
                lines.push(format!("{what}: {n}, see `{command}`"));
            }
        };
        add("cases to authorise", self.cases_to_authorise, "sightline case list --state requested");
        add("emergencies to review", self.emergencies_to_review, "sightline case list");
        add("legal holds to confirm", self.holds_to_confirm, "sightline hold list");
        add("deletions overdue", self.deletions_overdue, "sightline retention status");
        if let Some(days) = self.clock_ahead_s.map(|s| s / 86_400.0) {
            lines.push(format!("the server's clock leapt {days:.0} days ahead, see `sightline retention status`"));
        }
        for certificate in &self.certificates {
            let when = certificate.expires.as_deref().unwrap_or("an unknown day");
            lines.push(format!("the certificate of {} ends {when}", certificate.of));
        }
        lines
    }
}

fn line(name: &str, text: &str) -> String {
    plain(&format!("{name:<11}{text}"))
}

fn agencies(n: u64) -> String {
    if n == 1 { "1 agency".to_owned() } else { format!("{n} agencies") }
}

fn by_state(states: &BTreeMap<String, u64>) -> String {
    states.iter().map(|(state, n)| format!("{n} {state}")).collect::<Vec<_>>().join(", ")
}

/// Decimal units, as disks are sold.
fn bytes(n: u64) -> String {
    let n = n as f64;
    [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")]
        .iter()
        .find(|(unit, _)| n >= *unit)
        .map_or_else(|| format!("{n:.0} bytes"), |(unit, word)| format!("{:.1} {word}", n / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_and_what_is_due_is_on_the_screen_with_what_to_do() {
        let view = StatusView {
            server: "127.0.0.1:7443".into(),
            version: "0.1.0".into(),
            up_s: Some(11_100.0),
            caller: PartyView { name: "auditor".into(), organisation: "oversight".into(), role: "auditor".into() },
            healthy: false,
            health: vec![
                HealthView { service: String::new(), serving: true },
                HealthView { service: "sightline.Index".into(), serving: false },
            ],
            agencies: 2,
            cameras: 5,
            watched: Some([("live".to_owned(), 2), ("offline".to_owned(), 1)].into()),
            jobs: JobsView { queued: 1, running: 0, ended: Some([("done".to_owned(), 4)].into()) },
            sightings: 120,
            stored: Some(StoredView { days: 3, camera_days: 10, per_camera_and_day: Some(12.0), held: 7 }),
            disk: Some(DiskView { path: "/srv/data".into(), free_bytes: 12_300_000_000, total_bytes: 1_000_000_000_000 }),
            memory: Some(MemoryView { bytes: 640_000_000, limit_bytes: 16_000_000_000 }),
            dashboards: Some("https://grafana.example/d/sightline".into()),
            due: DueView {
                cases_to_authorise: Some(1),
                emergencies_to_review: Some(2),
                holds_to_confirm: Some(0),
                deletions_overdue: None,
                clock_ahead_s: Some(864_000.0),
                certificates: vec![CertificateView { of: "the server".into(), expires: Some("2026-12-07".into()) }],
            },
            left_out: vec![LeftOutView { what: "jobs that ended", roles: vec!["camera_owner", "operator"] }],
        };
        insta::assert_snapshot!(view.text(), @r"
        server     127.0.0.1:7443, version 0.1.0, up 3 h 5 min
        called by  auditor (auditor, oversight)
        health     NOT SERVING: sightline.Index
        cameras    5 of 2 agencies; live streams: 2 live, 1 offline
        jobs       1 queued, 0 running, 4 done
        sightings  120, 12.0 a camera and day (10 days over all cameras), 7 kept by legal holds
        disk       12.3 GB free of 1.0 TB at /srv/data
        memory     640.0 MB of 16.0 GB
        dashboards https://grafana.example/d/sightline
        due        cases to authorise: 1, see `sightline case list --state requested`
                   emergencies to review: 2, see `sightline case list`
                   the server's clock leapt 10 days ahead, see `sightline retention status`
                   the certificate of the server ends 2026-12-07
        not shown  jobs that ended (camera owner, operator)
        ");
    }
}
