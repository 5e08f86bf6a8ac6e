//! Lists show everything there is to whoever may see it, page by page, what is urgent first.

use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient,
};
use tonic::Code;

use crate::harness::{Deployed, add_identity, told, window};

fn asks(id: String, emergency: &str) -> v1::OpenCaseRequest {
    v1::OpenCaseRequest {
        id,
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        emergency: emergency.into(),
        ..Default::default()
    }
}

async fn all(deployed: &Deployed, identity: &str, page_size: u32) -> Vec<String> {
    let mut cases = CaseServiceClient::new(deployed.channel(identity).await);
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListCasesRequest { page_size, page_token, ..Default::default() };
        let page = cases.list_cases(request).await.unwrap().into_inner();
        ids.extend(page.cases.into_iter().map(|c| c.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return ids;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cases_of_one_person_hide_nobody_elses_and_emergencies_come_first() {
    let deployed = Deployed::configured("[cases]\nwaiting_cases = 1000\n", async |_: &deployment::Home| {}).await;
    deployed.add_cameras().await;
    add_identity(&deployed.home, "other", "sightline://rescue/investigator/other");
    // One person may not have so many waiting.
    add_identity(&deployed.home, "second", "sightline://local/investigator/second");
    let mut other = CaseServiceClient::new(deployed.channel("other").await);
    other.open_case(asks("theirs".into(), "")).await.unwrap();
    other.open_case(asks("theirs-now".into(), "it is freezing")).await.unwrap();
    let mut flood = [deployed.channel("investigator").await, deployed.channel("second").await].map(CaseServiceClient::new);
    for n in 0..1_010 {
        flood[n % 2].open_case(asks(format!("flood-{n}"), "")).await.unwrap();
    }
    assert_eq!(all(&deployed, "other", 0).await, ["theirs-now", "theirs"]);
    let seen = all(&deployed, "authoriser", 400).await;
    assert_eq!((seen.len(), seen[0].as_str(), seen[1_011].as_str()), (1_012, "theirs-now", "theirs"));
    assert_eq!(all(&deployed, "investigator", 1000).await.len(), 1_010);

    // A token is of one question, and shows nobody what is not theirs.
    let mut authoriser = CaseServiceClient::new(deployed.channel("authoriser").await);
    let first = authoriser.list_cases(v1::ListCasesRequest { page_size: 5, ..Default::default() }).await.unwrap().into_inner();
    let token = first.next_page_token;
    let request = v1::ListCasesRequest { page_token: token.clone(), ..Default::default() };
    let theirs = other.list_cases(request).await.unwrap().into_inner().cases;
    assert_eq!(theirs.into_iter().map(|c| c.id).collect::<Vec<_>>(), ["theirs"]);
    let state = v1::CaseState::Requested.into();
    let request = v1::ListCasesRequest { state, page_token: token.clone(), ..Default::default() };
    let refused = authoriser.list_cases(request).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "page_token".into()));
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    let refused = cameras.list_cameras(v1::ListCamerasRequest { page_token: token, ..Default::default() }).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "page_token".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_list_goes_on_where_its_page_ended() {
    let deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", "2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z").await;
    let request = v1::SearchRequest {
        case_id: "k".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() }),
        ..Default::default()
    };
    for _ in 0..3 {
        deployed.search("investigator", request.clone()).await.unwrap();
    }
    let mut cameras = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListCameraAccessesRequest { camera_id: "gate".into(), limit: 2, page_token };
        let page = cameras.list_camera_accesses(request).await.unwrap().into_inner();
        assert!(page.accesses.len() <= 2);
        seen.extend(page.accesses.into_iter().map(|a| a.audit_seq));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(seen.len() == 3 && seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = cameras.list_cameras(v1::ListCamerasRequest { page_size: 1, page_token, ..Default::default() }).await;
        let page = page.unwrap().into_inner();
        ids.extend(page.cameras.into_iter().map(|c| c.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["gate", "yard"]);
    let mut admin = AdminServiceClient::new(deployed.channel("auditor").await);
    let first = admin.list_audit(v1::ListAuditRequest { limit: 3, ..Default::default() }).await.unwrap().into_inner();
    let request = v1::ListAuditRequest { limit: 3, page_token: first.next_page_token, ..Default::default() };
    let next = admin.list_audit(request).await.unwrap().into_inner();
    let seqs: Vec<_> = first.entries.iter().chain(&next.entries).map(|e| e.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
}
