//! What owners decide holds: for searches, for crops, and for results that are on their way.

use access::{Caller, Grant, sign_grant, signing_key_from_pem};
use deployment::{Home, issue};
use proto::v1::{
    self, camera_service_client::CameraServiceClient, case_service_client::CaseServiceClient,
    search_service_client::SearchServiceClient,
};
use tonic::Code;

use crate::{
    harness::{Deployed, add_identity, told, window},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

fn ask(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit: 1000,
        include_crops: true,
        ..Default::default()
    }
}

/// A case over all of the agency `local`.
async fn case(deployed: &Deployed, id: &str) -> v1::Case {
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope { agency_ids: vec!["local".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        ..Default::default()
    };
    let case = CaseServiceClient::new(deployed.channel("investigator").await).open_case(request).await.unwrap();
    deployed.authorise("authoriser", &case.into_inner().case.unwrap()).await.unwrap()
}

async fn deployed(each: u64) -> Deployed {
    Deployed::configured("", async |home: &Home| {
        seen::cars(home, each).await;
        add_identity(home, "stranger", "sightline://other/camera_owner/stranger");
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_paused_or_revoked_in_mid_stream_is_in_no_result_any_more_and_the_stream_says_so() {
    for revoke in [false, true] {
        let deployed = deployed(100).await;
        case(&deployed, "k").await;
        // A reader with a small window: most of the answer is still with the server when the owner decides.
        let channel = deployed.channel_of_window("investigator", 65_535).await;
        let mut results = SearchServiceClient::new(channel).search(ask("k")).await.unwrap().into_inner();
        results.message().await.unwrap().unwrap();

        let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
        if revoke {
            owner.revoke_camera(v1::RevokeCameraRequest { camera_id: "gate".into() }).await.unwrap();
        } else {
            owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
        }
        let (mut gate, mut yard, mut summary) = (0, 0, None);
        while let Some(part) = results.message().await.unwrap() {
            match part.part.unwrap() {
                v1::search_response::Part::Hit(hit) => match hit.sighting.unwrap().camera_id.as_str() {
                    "gate" => gate += 1,
                    _ => yard += 1,
                },
                v1::search_response::Part::Summary(s) => summary = Some(s),
            }
        }
        let summary = summary.unwrap();
        assert!(yard >= 99, "the other camera's results go on: {yard}");
        assert!(summary.withheld > 0 && gate < 100, "{gate} of the paused camera came out");
        assert_eq!(summary.withheld_camera_ids, ["gate"]);
        assert_eq!(summary.hits + summary.withheld, 200);

        // And nothing of it any more: neither by search nor by id.
        let (_, summary) = deployed.search("investigator", ask("k")).await.unwrap();
        assert_eq!((summary.hits, summary.left_out_camera_ids.as_slice()), (100, &["gate".to_owned()][..]));
        let named = v1::SearchRequest { camera_ids: vec!["gate".into()], ..ask("k") };
        let word = if revoke { "camera_revoked" } else { "camera_paused" };
        assert_eq!(told(&deployed.search("investigator", named).await.unwrap_err()), (Code::PermissionDenied, word.into()));
        let record = deployed.record().await;
        assert!(record.contains(&("search".into(), word.into())), "{record:?}");
        let resumed = owner.resume_camera(v1::ResumeCameraRequest { camera_id: "gate".into() }).await;
        assert_eq!(resumed.is_ok(), !revoke);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crop_of_a_paused_camera_is_refused() {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, 1).await).await;
    case(&deployed, "k").await;
    let mut search = SearchServiceClient::new(deployed.channel("investigator").await);
    let request = v1::GetCropRequest { case_id: "k".into(), sighting_id: ids[0].to_string() };
    search.get_crop(request.clone()).await.unwrap();
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    let status = search.get_crop(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    owner.resume_camera(v1::ResumeCameraRequest { camera_id: "gate".into() }).await.unwrap();
    search.get_crop(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_the_owners_alone_and_holds_from_the_next_call_on() {
    let deployed = deployed(1).await;
    case(&deployed, "k").await;
    let pause = v1::PauseCameraRequest { camera_id: "gate".into() };
    for (who, word) in [("stranger", "not_yours"), ("operator", "role"), ("investigator", "role"), ("auditor", "role")] {
        let status = CameraServiceClient::new(deployed.channel(who).await).pause_camera(pause.clone()).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, word.into()), "{who}");
    }
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let set = v1::SetCameraPolicyRequest { camera_id: "gate".into(), ..Default::default() };
    let hits = async || deployed.search("investigator", ask("k")).await.unwrap().0.len();
    assert_eq!(hits().await, 2);
    let other = v1::PurposeList { purposes: vec![v1::Purpose::Disaster.into()] };
    owner.set_camera_policy(v1::SetCameraPolicyRequest { purposes: Some(other), ..set.clone() }).await.unwrap();
    assert_eq!(hits().await, 1);
    let mine = v1::PurposeList { purposes: vec![v1::Purpose::MissingPerson.into()] };
    owner.set_camera_policy(v1::SetCameraPolicyRequest { purposes: Some(mine), ..set.clone() }).await.unwrap();
    assert_eq!(hits().await, 2);
    // It was seen at 08:30.
    let night = v1::Hours { from_minute: 22 * 60, to_minute: 6 * 60 };
    owner.set_camera_policy(v1::SetCameraPolicyRequest { hours: Some(night), ..set.clone() }).await.unwrap();
    assert_eq!(hits().await, 1);
    let all = v1::SetCameraPolicyRequest { all_hours: true, sensitive: Some(true), ..set.clone() };
    let camera = owner.set_camera_policy(all).await.unwrap().into_inner().camera.unwrap();
    let policy = camera.policy.unwrap();
    assert!(policy.hours.is_none() && policy.sensitive && policy.purposes == [i32::from(v1::Purpose::MissingPerson)]);
    // A sensitive place needs two authorisers.
    assert_eq!(hits().await, 1);
    let none = v1::SetCameraPolicyRequest { purposes: Some(v1::PurposeList::default()), ..set };
    assert_eq!(owner.set_camera_policy(none).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_who_looked_at_their_cameras_and_nobody_elses() {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| {
        ids = seen::cars(home, 1).await;
        add_identity(home, "stranger", "sightline://other/camera_owner/stranger");
    })
    .await;
    case(&deployed, "k").await;
    deployed.search("investigator", ask("k")).await.unwrap();
    let request = v1::GetCropRequest { case_id: "k".into(), sighting_id: ids[0].to_string() };
    SearchServiceClient::new(deployed.channel("investigator").await).get_crop(request).await.unwrap();
    let accesses = async |who: &str, camera: &str| {
        let request = v1::ListCameraAccessesRequest { camera_id: camera.into(), limit: 0, ..Default::default() };
        let answer = CameraServiceClient::new(deployed.channel(who).await).list_camera_accesses(request).await;
        answer.map(|a| a.into_inner().accesses).map_err(|s| told(&s))
    };
    let seen = accesses("camera-owner", "gate").await.unwrap();
    let shown: Vec<_> = seen.iter().map(|a| (a.action.as_str(), a.case_id.as_str())).collect();
    assert_eq!(shown, [("crop", "k"), ("search", "k")]);
    assert_eq!(seen[0].caller.as_ref().unwrap().name, "investigator");
    assert!(seen[0].audit_seq > seen[1].audit_seq);
    assert_eq!(accesses("auditor", "yard").await.unwrap().len(), 1);
    assert!(accesses("stranger", "quay").await.unwrap().is_empty(), "no search covered it");
    assert_eq!(accesses("stranger", "gate").await.unwrap_err(), (Code::PermissionDenied, "not_yours".into()));
    assert_eq!(accesses("investigator", "gate").await.unwrap_err(), (Code::PermissionDenied, "role".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_place_is_searched_once_a_second_person_has_signed_and_not_before() {
    let deployed = Deployed::configured("", async |home: &Home| {
        seen::cars(home, 1).await;
        let vera = Caller::from_uri("sightline://parliament/authoriser/vera").unwrap();
        issue(home, &vera, 1, None).unwrap();
    })
    .await;
    let signed_once = case(&deployed, "k").await;
    let set = v1::SetCameraPolicyRequest { camera_id: "gate".into(), sensitive: Some(true), ..Default::default() };
    CameraServiceClient::new(deployed.channel("camera-owner").await).set_camera_policy(set).await.unwrap();
    let named = v1::SearchRequest { camera_ids: vec!["gate".into()], ..ask("k") };
    let refused = (Code::PermissionDenied, "second_authoriser".to_owned());
    assert_eq!(told(&deployed.search("investigator", named.clone()).await.unwrap_err()), refused);
    // The first person's key does not count twice, whoever shows it.
    let sign = |who: &str| {
        let key = signing_key_from_pem(&std::fs::read_to_string(deployed.home.grant_key(who)).unwrap()).unwrap();
        sign_grant(&key, &Grant::from_bytes(&signed_once.grant).unwrap()).0.to_vec()
    };
    let status = deployed.authorise_with("vera", &signed_once, sign("authoriser")).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "bad_signature".into()));
    assert_eq!(told(&deployed.search("investigator", named.clone()).await.unwrap_err()), refused);

    deployed.authorise_with("vera", &signed_once, sign("vera")).await.unwrap();
    assert_eq!(deployed.search("investigator", named).await.unwrap().0.len(), 1);
    let record = deployed.record().await;
    assert_eq!(record.iter().filter(|e| **e == ("search".into(), "second_authoriser".into())).count(), 2);
}

/// Whoever already reads is not asked again: nothing of the camera is sent a second after its owner said no.
#[tokio::test(flavor = "multi_thread")]
async fn within_a_second_of_a_pause_nothing_of_the_camera_is_sent_any_more() {
    let deployed = deployed(100).await;
    case(&deployed, "k").await;
    let channel = deployed.channel_of_window("investigator", 65_535).await;
    let mut results = SearchServiceClient::new(channel).search(ask("k")).await.unwrap().into_inner();
    results.message().await.unwrap().unwrap();
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // What was sent before lies in the reader's window and in the server's queue; what is sent from here on does not count
    // one of that camera among the last of it.
    let mut cameras = Vec::new();
    while let Some(part) = results.message().await.unwrap() {
        if let Some(v1::search_response::Part::Hit(hit)) = part.part {
            cameras.push((hit.sighting.unwrap().camera_id, hit.crop.len()));
        }
    }
    let last = cameras.iter().rposition(|(camera, _)| camera == "gate").map_or(0, |at| at + 1);
    let sent_before: usize = cameras[..last].iter().map(|(_, bytes)| bytes).sum();
    assert!(sent_before <= 4 * 65_535, "{sent_before} bytes of it came after the pause, more than was under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_a_change_takes_out_of_open_cases_and_changes_nothing() {
    use v1::preview_camera_policy_request::Change;
    let deployed = deployed(1).await;
    case(&deployed, "k").await;
    let set = |change: v1::SetCameraPolicyRequest| Change::Set(v1::SetCameraPolicyRequest { camera_id: "gate".into(), ..change });
    let ask = |change: Change| v1::PreviewCameraPolicyRequest { change: Some(change) };
    let pause = ask(Change::Pause(v1::PauseCameraRequest { camera_id: "gate".into() }));
    for (who, word) in [("stranger", "not_yours"), ("operator", "role"), ("investigator", "role"), ("auditor", "role")] {
        let mut other = CameraServiceClient::new(deployed.channel(who).await);
        let status = other.preview_camera_policy(pause.clone()).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, word.into()), "{who}");
    }
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let list = v1::ListCamerasRequest::default();
    let before = owner.list_cameras(list.clone()).await.unwrap().into_inner().cameras;

    let disaster = v1::PurposeList { purposes: vec![v1::Purpose::Disaster.into()] };
    let (night, morning) = ((22 * 60, 6 * 60), (7 * 60, 11 * 60));
    let hours = |(from_minute, to_minute)| Some(v1::Hours { from_minute, to_minute });
    let days = |days: u64| Some(proto::duration(std::time::Duration::from_secs(days * 86_400)));
    let all = v1::SetCameraPolicyRequest::default;
    let changes = [
        (Change::Pause(v1::PauseCameraRequest { camera_id: "gate".into() }), vec![v1::CaseLoss::Camera]),
        (Change::Revoke(v1::RevokeCameraRequest { camera_id: "gate".into() }), vec![v1::CaseLoss::Camera]),
        (set(v1::SetCameraPolicyRequest { purposes: Some(disaster), ..all() }), vec![v1::CaseLoss::Camera]),
        (set(v1::SetCameraPolicyRequest { sensitive: Some(true), ..all() }), vec![v1::CaseLoss::Camera]),
        (set(v1::SetCameraPolicyRequest { hours: hours(night), ..all() }), vec![v1::CaseLoss::Hours]),
        (set(v1::SetCameraPolicyRequest { hours: hours(morning), ..all() }), vec![]),
        (set(v1::SetCameraPolicyRequest { retention: days(1), ..all() }), vec![v1::CaseLoss::Oldest]),
        (set(v1::SetCameraPolicyRequest { all_hours: true, ..all() }), vec![]),
    ];
    for (change, expected) in changes {
        let told = owner.preview_camera_policy(ask(change.clone())).await.unwrap().into_inner();
        let losses: Vec<_> = told.cases.iter().flat_map(|case| case.losses()).collect();
        assert_eq!(losses, expected, "{change:?}");
        assert!(told.more == 0 && told.cases.iter().all(|case| case.case_id == "k" && case.expires.is_some()));
    }
    let none = v1::SetCameraPolicyRequest { purposes: Some(v1::PurposeList::default()), ..all() };
    assert_eq!(owner.preview_camera_policy(ask(set(none))).await.unwrap_err().code(), Code::InvalidArgument);
    let nothing = owner.preview_camera_policy(v1::PreviewCameraPolicyRequest::default()).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);

    assert_eq!(owner.list_cameras(list).await.unwrap().into_inner().cameras, before);
    let record = deployed.record().await;
    assert!(record.iter().all(|(action, _)| action != "camera.policy" && action != "camera.pause"), "{record:?}");
    assert!(record.iter().any(|(action, _)| action == "camera.preview"), "{record:?}");

    // What is over loses nothing.
    let close = v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() };
    CaseServiceClient::new(deployed.channel("investigator").await).close_case(close).await.unwrap();
    assert!(owner.preview_camera_policy(pause).await.unwrap().into_inner().cases.is_empty());
}
