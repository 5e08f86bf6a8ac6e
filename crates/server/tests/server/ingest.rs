//! Workers at the agencies: which cameras are theirs, and what is taken from them.

use std::time::Duration;

use proto::v1::{
    self, camera_service_client::CameraServiceClient, ingest_service_client::IngestServiceClient,
    live_service_client::LiveServiceClient, search_service_client::SearchServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use types::{CaptureTime, Sighting, SightingId, SightingOrigin, TimeStamp};

use crate::{
    cluster,
    harness::{Deployed, add_identity, told},
    seen,
};

pub(crate) const ONE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TWO: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// Agency `local` with `gate`, `yard`, `quay` and `hall`, agency `other` with `far`, and a worker of each.
pub(crate) async fn deployed() -> Deployed {
    configured("").await
}

/// As [`deployed`], with more in the configuration.
async fn configured(more: &str) -> Deployed {
    let deployed = Deployed::configured(more, async |_: &deployment::Home| {}).await;
    deployed.add_cameras().await;
    add_identity(&deployed.home, "ingest", "sightline://local/ingest/ingest");
    add_identity(&deployed.home, "stranger", "sightline://other/ingest/stranger");
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    cameras.add_agency(v1::AddAgencyRequest { id: "other".into(), title: "Other".into() }).await.unwrap();
    for (id, agency) in [("quay", "local"), ("hall", "local"), ("far", "other")] {
        let request = v1::AddCameraRequest { id: id.into(), agency_id: agency.into(), ..Default::default() };
        cameras.add_camera(request).await.unwrap();
    }
    deployed
}

pub(crate) struct LeaseClient {
    worker: &'static str,
    send: mpsc::Sender<v1::LeaseCamerasRequest>,
    answers: Streaming<v1::LeaseCamerasResponse>,
}

impl LeaseClient {
    pub(crate) async fn come(deployed: &Deployed, identity: &str, worker: &'static str) -> Self {
        let (send, receive) = mpsc::channel(1);
        let mut client = IngestServiceClient::new(deployed.channel(identity).await);
        let answers = client.lease_cameras(ReceiverStream::new(receive)).await.unwrap().into_inner();
        Self { worker, send, answers }
    }

    /// Says that it is there; the cameras that are its own now, with their epochs.
    pub(crate) async fn beat(&mut self, released: &[&str]) -> Vec<(String, u64)> {
        self.say(100, released, Vec::new()).await
    }

    async fn say(&mut self, max_cameras: u32, released: &[&str], cameras: Vec<v1::CameraStatus>) -> Vec<(String, u64)> {
        let ids = |all: &[&str]| all.iter().map(|&c| c.to_owned()).collect();
        let request = v1::LeaseCamerasRequest {
            worker_id: self.worker.into(),
            camera_ids: ids(&["gate", "yard", "quay", "hall", "far"]),
            max_cameras,
            released_ids: ids(released),
            cameras,
        };
        self.send.send(request).await.unwrap();
        let answer = self.answers.message().await.unwrap().unwrap();
        answer.leases.into_iter().map(|l| (l.camera_id, l.epoch)).collect()
    }
}

/// Whoever has a lease was not heard of for as long as it lasts. The time is the database's: no server's clock does this.
async fn run_out(deployed: &Deployed) {
    let url = format!("sqlite:{}", deployed.home.root().join("data/catalogue.db").display());
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    for change in [
        "PRAGMA busy_timeout = 10000",
        "UPDATE lease SET expires = acquired WHERE holder <> ''",
        "UPDATE ingest_worker SET expires = 0",
    ] {
        sqlx::query(change).execute(&mut db).await.unwrap();
    }
    sqlx::Connection::close(db).await.unwrap();
}

fn names(held: &[(String, u64)]) -> Vec<&str> {
    held.iter().map(|(camera, _)| camera.as_str()).collect()
}

/// A car that the camera saw live.
pub(crate) fn car(camera: &str, agency: &str, n: u64, first: CaptureTime) -> Sighting {
    let car = seen::car(camera, agency, n);
    let at = |time| TimeStamp { time, ..car.first };
    Sighting { first: at(first), last: at(first.plus_micros(1_000_000)), best: first, origin: SightingOrigin::Live, ..car }
}

pub(crate) struct Wire {
    crop: Vec<u8>,
    model_sha256: String,
    appearance: Vec<f32>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let embedder = vision::Embedder::load(&vision::ModelStore::from_env().unwrap(), None, None).unwrap();
        let mut appearance = vec![0.0; embedder.len()];
        appearance[0] = 1.0;
        Self { crop: seen::crop().encode(), model_sha256: embedder.digest().to_string(), appearance }
    }

    pub(crate) fn message(&self, sequence: u64, epoch: u64, sighting: &Sighting) -> v1::PushRequest {
        v1::PushRequest {
            sequence,
            worker_id: ONE.into(),
            epoch,
            sighting: Some(sighting.into()),
            crop: self.crop.clone(),
            model_sha256: self.model_sha256.clone(),
            appearance: self.appearance.clone(),
        }
    }
}

/// Pushes all of them on one stream; what was refused, by number and reason.
pub(crate) async fn push(deployed: &Deployed, identity: &str, messages: Vec<v1::PushRequest>) -> Vec<(u64, String)> {
    let last = messages.last().unwrap().sequence;
    let mut client = IngestServiceClient::new(deployed.channel(identity).await);
    let mut answers = client.push(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let (mut refused, mut acknowledged) = (Vec::new(), 0);
    while let Some(answer) = answers.message().await.unwrap() {
        acknowledged = answer.acknowledged;
        refused.extend(answer.refused.into_iter().map(|r| (r.sequence, r.reason)));
    }
    assert_eq!(acknowledged, last);
    refused
}

async fn found(deployed: &Deployed, case: &str) -> Vec<String> {
    let request = v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit: 100,
        ..Default::default()
    };
    let (hits, summary) = deployed.search("investigator", request).await.unwrap();
    assert!(summary.exact);
    let mut ids: Vec<_> = hits.into_iter().map(|h| h.sighting.unwrap().id).collect();
    ids.sort();
    ids
}

pub(crate) async fn authorised(deployed: &Deployed, id: &str, camera: &str) {
    let at = |minutes| (chrono::Utc::now() + chrono::Duration::minutes(minutes)).to_rfc3339();
    deployed.authorised_case(id, camera, &at(-600), &at(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_an_agencys_cameras_and_one_has_them_all_when_the_other_is_gone() {
    let deployed = deployed().await;
    let mut one = LeaseClient::come(&deployed, "ingest", ONE).await;
    let all = one.beat(&[]).await;
    // Not the other agency's, whatever the worker says that it can watch.
    assert_eq!(names(&all), ["gate", "hall", "quay", "yard"]);
    assert!(all.iter().all(|(_, epoch)| *epoch == 1));

    let mut two = LeaseClient::come(&deployed, "ingest", TWO).await;
    assert_eq!(two.beat(&[]).await, []);
    let kept = one.beat(&[]).await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    // What the first has let go of the second has at once, under another epoch.
    let gone: Vec<_> = all.iter().filter(|l| !kept.contains(l)).map(|(c, _)| c.as_str()).collect();
    assert_eq!(one.beat(&gone).await, kept);
    let second = two.beat(&[]).await;
    assert_eq!(names(&second), gone);
    assert!(second.iter().all(|(_, epoch)| *epoch == 2));
    assert_eq!((one.beat(&[]).await, two.beat(&[]).await), (kept.clone(), second));

    // The second is not heard of any more. Nobody has its cameras before its leases have run out.
    drop(two);
    assert_eq!(one.beat(&[]).await, kept);
    run_out(&deployed).await;
    let back = one.beat(&[]).await;
    assert_eq!(names(&back), ["gate", "hall", "quay", "yard"]);
    for (camera, epoch) in &back {
        assert_eq!(*epoch, if gone.contains(&camera.as_str()) { 3 } else { 1 }, "{camera}");
    }
    // One that leaves gives all of it back.
    assert_eq!(one.say(0, &["gate", "hall", "quay", "yard"], Vec::new()).await, []);
    let mut two = LeaseClient::come(&deployed, "ingest", TWO).await;
    assert_eq!(two.beat(&[]).await.len(), 4);
}

/// Two servers, or one whose clock is set in between.
struct Clocks<'a> {
    right: &'a Deployed,
    fast: &'a Deployed,
}

impl Clocks<'_> {
    fn right(&self) -> &Deployed {
        self.right.clock.set_ahead(Duration::ZERO);
        self.right
    }

    fn fast(&self) -> &Deployed {
        self.fast.clock.set_ahead(Duration::from_secs(300));
        self.fast
    }

    /// The first is slow, as the second sees it.
    async fn decide_nothing(&self) {
        let mut one = LeaseClient::come(self.right(), "ingest", ONE).await;
        let all = one.beat(&[]).await;
        assert_eq!(names(&all), ["gate", "hall", "quay", "yard"]);
        // A fast one steals nothing.
        let mut two = LeaseClient::come(self.fast(), "ingest", TWO).await;
        assert_eq!(two.beat(&[]).await, []);
        self.right();
        let kept = one.beat(&[]).await;
        assert_eq!(kept.len(), 2);
        let gone: Vec<_> = all.iter().filter(|l| !kept.contains(l)).map(|(c, _)| c.as_str()).collect();
        assert_eq!(one.beat(&gone).await, kept);
        self.fast();
        assert_eq!(names(&two.beat(&[]).await), gone);
        // What it gave runs out for a slow one as for itself: in seconds, not in minutes.
        drop(two);
        self.right();
        let began = std::time::Instant::now();
        while one.beat(&[]).await.len() < 4 {
            assert!(began.elapsed() < Duration::from_secs(600), "the cameras stay with a worker that is gone");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_servers_clock_takes_a_camera_from_its_worker_or_keeps_it_for_one_that_is_gone() {
    let deployed = deployed().await;
    Clocks { right: &deployed, fast: &deployed }.decide_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_servers_clock_takes_a_camera_from_its_worker_or_keeps_it_for_one_that_is_gone_on_postgresql() {
    let Some(database) = cluster::database(&format!("clocks_{}", std::process::id())) else {
        eprintln!("SKIPPED: two servers: PostgreSQL is not installed (apt-get install postgresql)");
        return;
    };
    let crops = tempfile::tempdir().unwrap();
    let shared = format!("[database]\nurl = \"{database}\"\n[crops]\nurl = \"file://{}\"\n", crops.path().display());
    let right = configured(&shared).await;
    let copy = crops.path().join("home");
    let copied = std::process::Command::new("cp").arg("-a").args([right.home.root(), &copy]).status().unwrap();
    assert!(copied.success());
    let _ = std::fs::remove_dir_all(copy.join("data"));
    let mut fast = Deployed::in_home(deployment::Home::new(copy)).await;
    Clocks { right: &right, fast: &fast }.decide_nothing().await;
    let mut right = right;
    fast.stop().await;
    right.stop().await;
    cluster::drop_database(&database);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_sighting_is_searchable_once_it_is_acknowledged_and_once_however_often_it_is_sent() {
    let mut deployed = deployed().await;
    let wire = Wire::new();
    let held = LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await;
    let epoch = held[0].1;
    let cars: Vec<_> = (0..50).map(|n| car("gate", "local", n, CaptureTime::now())).collect();
    let messages = || cars.iter().zip(1..).map(|(car, n)| wire.message(n, epoch, car)).collect::<Vec<_>>();
    assert_eq!(push(&deployed, "ingest", messages()).await, []);
    authorised(&deployed, "k", "gate").await;
    let mut want: Vec<_> = cars.iter().map(|c| c.id.to_string()).collect();
    want.sort();
    assert_eq!(found(&deployed, "k").await, want);

    // The link broke before the acknowledgement came, or the server was started anew in between.
    deployed.stop().await;
    deployed.again().await;
    assert_eq!(push(&deployed, "ingest", messages()).await, []);
    assert_eq!(found(&deployed, "k").await, want);
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == 50 && check.crops == 50 && check.vectors == 50, "{check:?}");

    // A stream is one call on the record, with how many were taken.
    let mut streams = 0;
    for entry in deployed.entries().await.into_iter().filter(|e| e.action == "ingest.push") {
        let entry = access::AuditEntry::from_bytes(&entry.entry).unwrap();
        if entry.phase.as_str() == "done" {
            assert_eq!((entry.detail.taken, entry.detail.cameras.len()), (Some(50), 1));
            streams += 1;
        }
    }
    assert_eq!(streams, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_after_a_camera_changed_hands_is_refused_and_what_was_seen_before_is_taken() {
    let deployed = deployed().await;
    let wire = Wire::new();
    let mut one = LeaseClient::come(&deployed, "ingest", ONE).await;
    one.beat(&[]).await;
    let before = CaptureTime::now();
    // While the worker's link is down its lease runs out; nobody else is there, so it is still the one.
    run_out(&deployed).await;
    assert_eq!(push(&deployed, "ingest", vec![wire.message(1, 1, &car("gate", "local", 1, before))]).await, []);
    // Another worker takes over.
    let mut two = LeaseClient::come(&deployed, "ingest", TWO).await;
    let taken = two.beat(&[]).await;
    assert!(taken.contains(&("gate".to_owned(), 2)), "{taken:?}");
    let after = CaptureTime::now();
    let late = vec![
        wire.message(2, 1, &car("gate", "local", 2, before.plus_micros(1))),
        wire.message(3, 1, &car("gate", "local", 3, after)),
        // The other's token is of no use to it.
        wire.message(4, 2, &car("gate", "local", 4, after)),
        wire.message(5, 7, &car("gate", "local", 5, after)),
    ];
    let stale = |n: u64| (n, "stale_lease".to_owned());
    assert_eq!(push(&deployed, "ingest", late).await, [stale(3), stale(4), stale(5)]);
    assert_eq!(deployed.check().await.sightings, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_after_its_owner_paused_a_camera_is_refused_and_the_lease_is_over() {
    let deployed = deployed().await;
    let wire = Wire::new();
    let mut one = LeaseClient::come(&deployed, "ingest", ONE).await;
    assert_eq!(one.beat(&[]).await.len(), 4);
    let before = CaptureTime::now();
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    let seen = vec![
        wire.message(1, 1, &car("gate", "local", 1, before)),
        wire.message(2, 1, &car("gate", "local", 2, CaptureTime::now().plus_micros(1_000))),
    ];
    assert_eq!(push(&deployed, "ingest", seen).await, [(2, "stale_lease".to_owned())]);
    assert_eq!(names(&one.beat(&[]).await), ["hall", "quay", "yard"]);
    owner.resume_camera(v1::ResumeCameraRequest { camera_id: "gate".into() }).await.unwrap();
    let back = one.beat(&[]).await;
    assert!(back.contains(&("gate".to_owned(), 3)), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hands_in_nothing_but_its_own_agencys_live_sightings_with_redacted_crops() {
    let deployed = deployed().await;
    let wire = Wire::new();
    LeaseClient::come(&deployed, "ingest", ONE).await.beat(&[]).await;
    LeaseClient::come(&deployed, "stranger", ONE).await.beat(&[]).await;
    let now = CaptureTime::now();
    let good = car("gate", "local", 1, now);
    assert_eq!(push(&deployed, "ingest", vec![wire.message(1, 1, &good)]).await, []);

    let mut plain = Vec::new();
    plain.extend_from_slice(&[0xff, 0xd8]);
    plain.extend_from_slice(&wire.crop[wire.crop.windows(2).position(|w| w == [0xff, 0xe0]).unwrap()..]);
    let footage = Sighting { origin: seen::car("gate", "local", 1).origin, ..car("gate", "local", 2, now) };
    let endless = Sighting { last: TimeStamp { time: now.plus_micros(-1), ..good.last }, ..car("gate", "local", 9, now) };
    let mut wordless = wire.message(0, 1, &good);
    wordless.sighting.as_mut().unwrap().class = 0;
    let cases = [
        (wire.message(0, 1, &car("far", "other", 2, now)), "not_yours"),
        (wire.message(0, 1, &car("far", "local", 2, now)), "not_yours"),
        (wire.message(0, 1, &car("nowhere", "local", 2, now)), "unknown_camera"),
        (wire.message(0, 1, &footage), "bad_message"),
        (wordless, "bad_message"),
        (v1::PushRequest { sighting: None, ..wire.message(0, 1, &good) }, "bad_message"),
        (v1::PushRequest { crop: plain, ..wire.message(0, 1, &good) }, "not_redacted"),
        (v1::PushRequest { crop: Vec::new(), ..wire.message(0, 1, &good) }, "not_redacted"),
        (v1::PushRequest { model_sha256: "x".into(), ..wire.message(0, 1, &good) }, "bad_message"),
        (v1::PushRequest { appearance: vec![f32::NAN], ..wire.message(0, 1, &good) }, "bad_vector"),
        (wire.message(0, 1, &endless), "invalid"),
        // Another camera's id would overwrite what that camera saw.
        (wire.message(0, 1, &Sighting { id: good.id, ..car("yard", "local", 3, now) }), "not_yours"),
    ];
    let want: Vec<_> = cases.iter().zip(1..).map(|((_, reason), n)| (n, (*reason).to_owned())).collect();
    let mut all: Vec<_> = cases.into_iter().zip(1..).map(|((m, _), n)| v1::PushRequest { sequence: n, ..m }).collect();
    // A good one among them is taken.
    let n = all.len() as u64 + 1;
    all.push(wire.message(n, 1, &car("hall", "local", 1, now)));
    let mut refused = push(&deployed, "ingest", all).await;
    refused.sort();
    assert_eq!(refused, want);
    // Nor can another agency's worker change what is there.
    let theirs = Sighting { id: good.id, ..car("far", "other", 1, now) };
    assert_eq!(push(&deployed, "stranger", vec![wire.message(1, 1, &theirs)]).await, [(1, "not_yours".to_owned())]);
    let check = deployed.check().await;
    assert!(check.clean && check.sightings == 2, "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_workers_hold_cameras_and_hand_in_sightings_and_they_may_do_nothing_else() {
    let deployed = deployed().await;
    for role in ["investigator", "authoriser", "camera-owner", "operator", "auditor"] {
        let mut client = IngestServiceClient::new(deployed.channel(role).await);
        let denied = client.lease_cameras(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(told(&denied), (Code::PermissionDenied, "role".to_owned()), "{role}");
        let denied = client.push(tokio_stream::empty()).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied, "{role}");
    }
    let ingest = deployed.channel("ingest").await;
    let denied = CameraServiceClient::new(ingest.clone()).list_cameras(v1::ListCamerasRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let search = v1::SearchRequest { case_id: "k".into(), ..Default::default() };
    let denied = SearchServiceClient::new(ingest.clone()).search(search).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let denied = LiveServiceClient::new(ingest).camera_status(v1::CameraStatusRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    // Of an agency that is not there.
    add_identity(&deployed.home, "lost", "sightline://nowhere/ingest/lost");
    let mut lost = IngestServiceClient::new(deployed.channel("lost").await);
    assert_eq!(
        told(&lost.lease_cameras(tokio_stream::empty()).await.unwrap_err()),
        (Code::NotFound, "unknown_agency".to_owned())
    );
    // One that does not say which it is.
    let mut nameless = LeaseClient::come(&deployed, "ingest", "").await;
    nameless.send.send(v1::LeaseCamerasRequest::default()).await.unwrap();
    assert_eq!(nameless.answers.message().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_is_watched_by_its_worker_or_by_the_server_and_its_status_says_by_whom() {
    let deployed = deployed().await;
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    // Nobody answers there; the watching is what counts.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("rtsp://127.0.0.1:{closed}/live");
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id: "gate".into(), url: url.clone(), ..Default::default() })
        .await
        .unwrap();
    let status = async |live: &mut LiveServiceClient<_>| {
        let all = live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras;
        all.into_iter().find(|c| c.camera_id == "gate")
    };
    let until = async |live: &mut LiveServiceClient<_>, worker: &str| {
        for _ in 0..600 {
            if let Some(now) = status(live).await.filter(|c| c.worker == worker) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never watched by {worker:?}");
    };
    until(&mut live, "").await;

    let mut one = LeaseClient::come(&deployed, "ingest", ONE).await;
    let held = one.beat(&[]).await;
    assert!(names(&held).contains(&"gate"));
    assert_eq!(until(&mut live, "ingest").await.state(), v1::CameraState::Connecting);
    let state = v1::CameraState::Live.into();
    let told = v1::CameraStatus { camera_id: "gate".into(), agency_id: "other".into(), state, fps: 5.0, ..Default::default() };
    one.say(100, &[], vec![told]).await;
    let now = until(&mut live, "ingest").await;
    // What a worker says of itself does not change whose camera it is.
    assert_eq!((now.state(), now.fps, now.agency_id.as_str()), (v1::CameraState::Live, 5.0, "local"));

    // Not heard of any more.
    run_out(&deployed).await;
    let now = until(&mut live, "ingest").await;
    assert_eq!(now.state(), v1::CameraState::Offline);
    assert!(now.reason.contains("ingest is not heard of"), "{now:?}");

    // A password that only the server has: the camera is the server's own.
    drop(one);
    let secret = url.replace("rtsp://", "rtsp://operator:secret@");
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id: "gate".into(), url: secret, ..Default::default() })
        .await
        .unwrap();
    let (send, receive) = mpsc::channel(1);
    let mut client = IngestServiceClient::new(deployed.channel("ingest").await);
    let mut answers = client.lease_cameras(ReceiverStream::new(receive)).await.unwrap().into_inner();
    send.send(v1::LeaseCamerasRequest { worker_id: TWO.into(), max_cameras: 9, ..Default::default() }).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().leases, []);
}

#[test]
fn a_sighting_keeps_its_id_on_the_wire() {
    let car = car("gate", "local", 1, CaptureTime::now());
    assert_eq!(v1::Sighting::from(&car).id.parse::<SightingId>().unwrap(), car.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_a_stream_that_holds_more_than_it_may_is_refused_told_and_on_the_record() {
    let deployed = deployed().await;
    let mut client = IngestServiceClient::new(deployed.channel("ingest").await);
    let camera_ids = (0..20_000).map(|n| format!("c-{n}")).collect();
    let request = v1::LeaseCamerasRequest { worker_id: ONE.into(), camera_ids, ..Default::default() };
    let mut answers = client.lease_cameras(tokio_stream::iter([request])).await.unwrap().into_inner();
    assert_eq!(told(&answers.message().await.unwrap_err()), (Code::InvalidArgument, "too_large".into()));
    let record = deployed.record().await;
    assert!(record.iter().any(|(_, outcome)| outcome == "too_large"), "{record:?}");
}
