use std::collections::BTreeMap;

use access::{Action, Permission, Role};
use chrono::{DateTime, Utc};
use clap::Args;
use prost_types::Timestamp;
use proto::v1;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::{
    client::Client,
    context::{Caller, Context},
    failure::{Failure, Outcome},
    home::Home,
    times,
    view::{
        CertificateView, DiskView, DueView, HealthView, JobsView, LeftOutView, MemoryView, PartyView, StatusView, StoredView,
        camera_state_word, job_state_word, role_word,
    },
};

/// A certificate that ends sooner is due.
const SOON: i64 = 30 * 86_400;

/// What the caller's role may not see is left out, and the answer says who may see it. Exit code 1 while a service does not answer.
#[derive(Debug, Args)]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(self, ctx: &Context) -> Outcome {
        let client = ctx.connect(Caller::Operator).await?;
        let view = gather(ctx, &client).await?;
        ctx.printer.answer(&view, || view.text());
        if view.healthy {
            return Ok(());
        }
        let bad = view.health.iter().filter(|h| !h.serving).count() as u64;
        Err(Failure::new("not_serving", format!("{} not serving", crate::output::count(bad, "service")))
            .hint("`sightline check` and the server's log say why"))
    }
}

/// Asks for what the role of the caller may see, and notes the rest.
struct Asking {
    role: Option<Role>,
    left_out: Vec<LeftOutView>,
}

impl Asking {
    fn may(&mut self, action: Action, what: &'static str) -> bool {
        let able = |role: Role| action.permission(role) != Permission::No;
        if self.role.is_some_and(able) {
            return true;
        }
        let roles = Role::ALL.into_iter().filter(|role| able(*role)).map(Role::as_str).collect();
        self.left_out.push(LeftOutView { what, roles });
        false
    }
}

async fn gather(ctx: &Context, client: &Client) -> Outcome<StatusView> {
    let status = client.admin().status(v1::StatusRequest {}).await?.into_inner();
    let caller = status.caller.unwrap_or_default();
    let mut asking = Asking { role: role_word(caller.role).parse().ok(), left_out: Vec::new() };
    let health = health(client).await?;

    let mut watched = None;
    if asking.may(Action::CameraStatus, "live streams") {
        let cameras = client.live().camera_status(v1::CameraStatusRequest::default()).await?.into_inner().cameras;
        watched = Some(tally(cameras.iter().map(|c| camera_state_word(c.state))));
    }
    let mut ended = None;
    if asking.may(Action::ListJobs, "jobs that ended") {
        let jobs = client.footage().list_jobs(v1::ListJobsRequest::default()).await?.into_inner().jobs;
        let over = |j: &&v1::Job| !matches!(j.state(), v1::JobState::Queued | v1::JobState::Running);
        ended = Some(tally(jobs.iter().filter(over).map(|j| job_state_word(j.state))));
    }
    let mut retention = None;
    if asking.may(Action::RetentionStatus, "days and deletions") {
        retention = Some(client.retention().retention_status(v1::RetentionStatusRequest {}).await?.into_inner());
    }
    let now = Utc::now().timestamp();
    let (mut to_authorise, mut to_review) = (None, None);
    if asking.may(Action::ListCases, "cases") {
        let cases = client.cases().list_cases(v1::ListCasesRequest::default()).await?.into_inner().cases;
        to_authorise = Some(cases.iter().filter(|c| is_waiting(c, now)).count() as u64);
        to_review = Some(cases.iter().filter(|c| is_unreviewed(c)).count() as u64);
    }
    let mut to_confirm = None;
    if asking.may(Action::ListHolds, "legal holds") {
        let holds = client.retention().list_holds(v1::ListHoldsRequest::default()).await?.into_inner().holds;
        let waits = |h: &&v1::Hold| {
            matches!(h.state(), v1::HoldState::Asked | v1::HoldState::ReleaseAsked) && is_later(h.expires.as_ref(), now)
        };
        to_confirm = Some(holds.iter().filter(waits).count() as u64);
    }

    let (memory, disk) = status.machine.as_ref().map(room).unwrap_or_default();
    Ok(StatusView {
        server: ctx.server()?,
        version: status.version,
        up_s: status.started.map(|started| (now - started.seconds).max(0) as f64),
        caller: PartyView::from(caller),
        healthy: health.iter().all(|h| h.serving),
        health,
        agencies: status.agencies,
        cameras: status.cameras,
        watched,
        jobs: JobsView { queued: status.jobs_queued, running: status.jobs_running, ended },
        sightings: status.sightings,
        stored: retention.as_ref().map(|r| stored(status.sightings, r)),
        disk: disk.or_else(|| self::disk(&ctx.home)),
        memory,
        dashboards: (!status.grafana.is_empty()).then_some(status.grafana),
        due: DueView {
            cases_to_authorise: to_authorise,
            emergencies_to_review: to_review,
            holds_to_confirm: to_confirm,
            deletions_overdue: retention.as_ref().map(|r| r.overdue),
            clock_ahead_s: retention.as_ref().and_then(|r| times::seconds(r.clock_ahead)),
            certificates: certificates(&ctx.home, client, asking.role, now).await?,
        },
        left_out: asking.left_out,
    })
}

async fn health(client: &Client) -> Outcome<Vec<HealthView>> {
    let mut service = client.health();
    let mut all = Vec::new();
    for name in server::health_services() {
        let answer = service.check(HealthCheckRequest { service: name.to_owned() }).await?.into_inner();
        all.push(HealthView { service: name.to_owned(), serving: answer.status() == ServingStatus::Serving });
    }
    Ok(all)
}

fn tally(words: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    words.fold(BTreeMap::new(), |mut all, word| {
        *all.entry(word).or_default() += 1;
        all
    })
}

fn stored(sightings: u64, retention: &v1::RetentionStatusResponse) -> StoredView {
    let camera_days: u64 = retention.buckets.iter().map(|b| u64::from(b.cameras)).sum();
    StoredView {
        days: retention.buckets.len() as u64,
        camera_days,
        per_camera_and_day: (camera_days > 0).then(|| sightings as f64 / camera_days as f64),
        held: retention.held,
    }
}

/// Asked for, not an emergency, and still good if somebody signs it.
fn is_waiting(case: &v1::Case, now: i64) -> bool {
    case.state() == v1::CaseState::Requested && case.emergency.is_empty() && is_later(case.expires.as_ref(), now)
}

/// An emergency to which no authoriser has said yes or no.
fn is_unreviewed(case: &v1::Case) -> bool {
    !case.emergency.is_empty() && case.authorisations.is_empty() && case.ending() != v1::CaseEnding::Refused
}

fn is_later(time: Option<&Timestamp>, now: i64) -> bool {
    time.is_none_or(|time| time.seconds > now)
}

/// The memory and the disk of the server's machine, as it tells an operator; `None` where it could not look.
fn room(machine: &v1::Machine) -> (Option<MemoryView>, Option<DiskView>) {
    let memory = MemoryView { bytes: machine.memory_bytes, limit_bytes: machine.memory_limit_bytes };
    let disk =
        DiskView { path: machine.data.clone(), free_bytes: machine.disk_free_bytes, total_bytes: machine.disk_total_bytes };
    (Some(memory).filter(|m| m.limit_bytes > 0), Some(disk).filter(|d| d.total_bytes > 0))
}

/// Where the deployment's data lie on this machine, how much room there is.
fn disk(home: &Home) -> Option<DiskView> {
    let config = server::Config::load(&home.layout().config()).ok()?;
    let path = home.path().join(config.data);
    let room = durable::room(&path).ok()?;
    Some(DiskView { path: path.display().to_string(), free_bytes: room.free, total_bytes: room.total })
}

/// Certificates that end soon or ended lately and were not revoked: the server's, and the newest that each name was given. The
/// server says, to whoever may list them; to others this home folder, as far as it knows.
async fn certificates(home: &Home, client: &Client, role: Option<Role>, now: i64) -> Outcome<Vec<CertificateView>> {
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |of: String, end: i64| {
        let known = newest.entry(of).or_insert(end);
        *known = end.max(*known);
    };
    if role.is_some_and(|role| Action::ListIdentities.permission(role) != Permission::No) {
        let listed = client.admin().list_revocations(v1::ListRevocationsRequest {}).await?.into_inner();
        if let Some(end) = listed.server_certificate_ends {
            add("the server".to_owned(), end.seconds);
        }
        for certificate in listed.certificates {
            let of = PartyView::from(certificate.party.unwrap_or_default()).text();
            add(of, certificate.expires.map(|t| t.seconds).unwrap_or_default());
        }
    } else {
        if let Some(end) = home.layout().server_certificate_ends() {
            add("the server".to_owned(), end);
        }
        // What ended long ago nobody waits for: as the server says it.
        for issued in home.layout().issued().unwrap_or_default().iter().filter(|one| now - one.expires <= SOON) {
            if let Some(who) = issued.caller() {
                add(who.to_string(), issued.expires);
            }
        }
    }
    let day = |end| DateTime::from_timestamp(end, 0).map(|t| t.format("%F").to_string());
    let soon = newest.into_iter().filter(|(_, end)| *end - now < SOON);
    Ok(soon.map(|(of, end)| CertificateView { of, expires: day(end) }).collect())
}
