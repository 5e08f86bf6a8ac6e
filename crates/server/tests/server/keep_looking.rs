//! A search that goes on while somebody listens, and is no alert.

use std::time::Duration;

use chrono::Utc;
use proto::v1::{
    self, camera_service_client::CameraServiceClient, case_service_client::CaseServiceClient, keep_looking_response::Part,
    search_service_client::SearchServiceClient,
};
use tonic::{Code, Status, Streaming};
use types::CaptureTime;

use crate::{
    harness::{Deployed, told},
    ingest::{self, LeaseClient, ONE, Wire, car, push},
};

/// Its cameras, a worker that holds them, and how it pushes.
pub(crate) struct World {
    pub(crate) deployed: Deployed,
    held: Vec<(String, u64)>,
    wire: Wire,
    sequence: u64,
    _holder: LeaseClient,
}

impl World {
    pub(crate) async fn new() -> Self {
        let deployed = ingest::deployed().await;
        let mut holder = LeaseClient::come(&deployed, "ingest", ONE).await;
        let held = holder.beat(&[]).await;
        ingest::authorised(&deployed, "k", "gate").await;
        Self { deployed, held, wire: Wire::new(), sequence: 0, _holder: holder }
    }

    /// A car that the camera sees now; its id.
    pub(crate) async fn see(&mut self, camera: &str, n: u64) -> String {
        self.sequence += 1;
        let now = CaptureTime::from_micros(Utc::now().timestamp_micros()).unwrap();
        let sighting = car(camera, "local", n, now);
        let epoch = self.held.iter().find(|(held, _)| held == camera).unwrap().1;
        let refused = push(&self.deployed, "ingest", vec![self.wire.message(self.sequence, epoch, &sighting)]).await;
        assert_eq!(refused, []);
        sighting.id.to_string()
    }

    async fn look(&self, change: impl FnOnce(&mut v1::KeepLookingRequest)) -> Result<Streaming<v1::KeepLookingResponse>, Status> {
        let mut request = v1::KeepLookingRequest { search: Some(cars("k")), ..Default::default() };
        change(&mut request);
        let mut search = SearchServiceClient::new(self.deployed.channel("investigator").await);
        Ok(search.keep_looking(request).await?.into_inner())
    }

    /// Whether the record has this, soon.
    async fn recorded(&self, outcome: &str) -> bool {
        for _ in 0..200 {
            if self.deployed.record().await.contains(&("keep_looking".into(), outcome.into())) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

pub(crate) fn cars(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn next(stream: &mut Streaming<v1::KeepLookingResponse>) -> Result<Part, Status> {
    let message = tokio::time::timeout(Duration::from_secs(60), stream.message()).await.expect("nothing came");
    Ok(message?.expect("it ended without a word").part.unwrap())
}

async fn hit(stream: &mut Streaming<v1::KeepLookingResponse>) -> v1::Hit {
    match next(stream).await.unwrap() {
        Part::Hit(hit) => hit,
        other => panic!("{other:?}"),
    }
}

async fn began(stream: &mut Streaming<v1::KeepLookingResponse>) -> v1::KeepLookingBegan {
    match next(stream).await.unwrap() {
        Part::Began(began) => began,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn case(deployed: &Deployed) -> v1::Case {
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.get_case(v1::GetCaseRequest { case_id: "k".into() }).await.unwrap().into_inner().case.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_while_somebody_listens_is_sent_once_until_the_case_ends_and_all_of_it_is_on_the_record() {
    let mut world = World::new().await;
    world.see("gate", 1).await;
    let mut stream = world.look(|_| {}).await.unwrap();
    let began = began(&mut stream).await;
    assert_eq!(began.camera_ids, ["gate"]);
    assert!(began.until.unwrap().seconds > Utc::now().timestamp() + 3_000);

    world.see("yard", 2).await;
    let second = world.see("gate", 3).await;
    let first = hit(&mut stream).await;
    assert_eq!((first.rank, first.sighting.unwrap().id), (1, second), "not what was there, nor what the case does not cover");
    // Its track ends and it is stored again: it is one hit.
    world.see("gate", 3).await;
    let third = world.see("gate", 4).await;
    assert_eq!(hit(&mut stream).await.sighting.unwrap().id, third);

    let mut cases = CaseServiceClient::new(world.deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    let ended = next(&mut stream).await.unwrap_err();
    assert_eq!(told(&ended), (Code::PermissionDenied, "closed".into()));
    let record = world.deployed.record().await;
    for outcome in ["permitted", "closed", "failed"] {
        assert!(record.contains(&("keep_looking".into(), outcome.into())), "{outcome}: {record:?}");
    }
    let used = case(&world.deployed).await.used.unwrap();
    assert_eq!((used.queries, used.results), (1, 2), "what it did not hand out was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_missing_person_case_may_keep_looking_and_the_refusal_is_on_the_record() {
    let world = World::new().await;
    let mut cases = CaseServiceClient::new(world.deployed.channel("investigator").await);
    let at = |minutes| (Utc::now() + chrono::Duration::minutes(minutes)).to_rfc3339();
    for (id, purpose) in [("s", v1::Purpose::SeriousIncident), ("d", v1::Purpose::Disaster)] {
        let window = Some(crate::harness::window(&at(-60), &at(60)));
        let request = v1::OpenCaseRequest {
            id: id.into(),
            purpose: purpose.into(),
            legal_basis: "test".into(),
            reason: "test".into(),
            scope: Some(v1::Scope { camera_ids: vec!["gate".into()], window, ..Default::default() }),
            ..Default::default()
        };
        let opened = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
        world.deployed.authorise("authoriser", &opened).await.unwrap();
        world.deployed.search("investigator", cars(id)).await.unwrap();
        let refused = world.look(|r| r.search = Some(cars(id))).await.unwrap_err();
        assert_eq!(told(&refused), (Code::PermissionDenied, "purpose".into()));
        assert!(refused.message().contains("missing_person"), "{}", refused.message());
    }
    let refusals = world.deployed.record().await.iter().filter(|e| e.0 == "keep_looking" && e.1 == "purpose").count();
    assert_eq!(refusals, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_listener_with_its_limit_with_its_time_and_with_the_owners_leave() {
    let mut world = World::new().await;
    let mut gone = world.look(|_| {}).await.unwrap();
    began(&mut gone).await;
    drop(gone);
    assert!(world.recorded("cancelled").await, "it goes on without a listener");

    let mut one = world.look(|r| r.search.as_mut().unwrap().limit = 1).await.unwrap();
    began(&mut one).await;
    world.see("gate", 1).await;
    hit(&mut one).await;
    let Part::Summary(summary) = next(&mut one).await.unwrap() else { panic!("no summary") };
    assert_eq!((summary.hits, summary.withheld), (1, 0));
    assert!(summary.completed_audit_seq > summary.audit_seq);

    let mut short = world.look(|r| r.lasts = Some(prost_types::Duration { seconds: 1, nanos: 0 })).await.unwrap();
    began(&mut short).await;
    assert!(matches!(next(&mut short).await.unwrap(), Part::Summary(_)));

    let mut paused = world.look(|_| {}).await.unwrap();
    began(&mut paused).await;
    let mut cameras = CameraServiceClient::new(world.deployed.channel("camera-owner").await);
    cameras.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    assert_eq!(told(&next(&mut paused).await.unwrap_err()), (Code::PermissionDenied, "camera_paused".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_outlives_the_server() {
    let mut world = World::new().await;
    let mut stream = world.look(|_| {}).await.unwrap();
    began(&mut stream).await;
    world.deployed.stop().await;
    let ended = next(&mut stream).await;
    assert!(ended.is_err(), "{ended:?}");
    world.deployed.again().await;
    let record = world.deployed.record().await;
    let ends = |outcome: &str| record.iter().filter(|e| e.0 == "keep_looking" && e.1 == outcome).count();
    assert_eq!((ends("permitted"), ends("cancelled")), (1, 1), "{record:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_an_hour_and_a_score_that_is_none_are_refused_and_so_is_who_may_not_search() {
    let world = World::new().await;
    let hour = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let refused = world.look(|r| r.lasts = hour(3_601)).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "too_long".into()));
    for least in [f32::NAN, -0.1, 1.1] {
        let refused = world.look(|r| r.least_score = least).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "bad_message".into()), "{least}");
    }
    let refused = world.look(|r| r.search = Some(cars("other"))).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "no_case".into()));
    let mut search = SearchServiceClient::new(world.deployed.channel("authoriser").await);
    let request = v1::KeepLookingRequest { search: Some(cars("k")), ..Default::default() };
    assert_eq!(told(&search.keep_looking(request).await.unwrap_err()), (Code::PermissionDenied, "role".into()));
}
