//! No search without a case, seen from outside.

use proto::v1::{self, case_service_client::CaseServiceClient, search_service_client::SearchServiceClient};
use tonic::{Code, Status};

use crate::harness::{Deployed, add_identity, told, window};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

fn ask(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn refused(deployed: &Deployed, identity: &str, request: v1::SearchRequest) -> String {
    let status: Status = deployed.search(identity, request).await.unwrap_err();
    let (code, reason) = told(&status);
    assert_eq!(code, Code::PermissionDenied, "{status:?}");
    assert!(proto::hint(&status).is_some_and(|h| !h.is_empty()), "no hint: {status:?}");
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn every_search_that_no_case_covers_is_refused_with_a_reason_and_on_the_record() {
    let deployed = Deployed::with_cameras().await;
    let mut reasons = Vec::new();
    let mut refuse = async |identity: &str, request| reasons.push(refused(&deployed, identity, request).await);

    refuse("investigator", ask("")).await;
    refuse("investigator", ask("No Such")).await;
    refuse("investigator", ask("nothing")).await;

    let case = deployed.open_case("k", "gate", FROM, TO).await;
    refuse("investigator", ask("k")).await;
    deployed.authorise("authoriser", &case).await.unwrap();

    let (hits, summary) = deployed.search("investigator", ask("k")).await.unwrap();
    assert!(hits.is_empty() && summary.exact && summary.camera_ids == ["gate"]);

    let outside = window("2026-03-01T07:59:59Z", TO);
    refuse("investigator", v1::SearchRequest { window: Some(outside), ..ask("k") }).await;
    refuse("investigator", v1::SearchRequest { window: Some(window(FROM, "2026-03-01T10:00:01Z")), ..ask("k") }).await;
    refuse("investigator", v1::SearchRequest { camera_ids: vec!["yard".into()], ..ask("k") }).await;
    refuse("investigator", v1::SearchRequest { camera_ids: vec!["gate".into(), "nowhere".into()], ..ask("k") }).await;
    refuse("investigator", v1::SearchRequest { limit: 1001, ..ask("k") }).await;
    for other in ["operator", "authoriser", "auditor", "camera-owner"] {
        refuse(other, ask("k")).await;
    }
    let some = "0f8fad5b-d9cb-469f-a165-70867728950e";
    refuse("investigator", v1::SearchRequest { like_sighting_id: some.into(), ..ask("k") }).await;

    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    refuse("investigator", ask("k")).await;

    let expected = [
        "no_case",
        "no_case",
        "no_case",
        "not_authorised",
        "window",
        "window",
        "camera",
        "camera",
        "results",
        "role",
        "role",
        "role",
        "role",
        "outside",
        "closed",
    ];
    assert_eq!(reasons, expected);
    let record = deployed.record().await;
    let on_record: Vec<_> =
        record.iter().filter(|(a, o)| a == "search" && !["permitted", "done", "failed"].contains(&o.as_str())).collect();
    assert_eq!(on_record.iter().map(|(_, o)| o.as_str()).collect::<Vec<_>>(), expected);
    assert!(record.contains(&("search".into(), "permitted".into())) && record.contains(&("search".into(), "done".into())));
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crop_is_not_handed_out_without_a_case_that_covers_it() {
    let deployed = Deployed::with_cameras().await;
    let crop = async |identity: &str, case: &str| {
        let request = v1::GetCropRequest { case_id: case.into(), sighting_id: "0f8fad5b-d9cb-469f-a165-70867728950e".into() };
        told(&SearchServiceClient::new(deployed.channel(identity).await).get_crop(request).await.unwrap_err())
    };
    deployed.authorised_case("k", "gate", FROM, TO).await;
    assert_eq!(crop("investigator", "").await, (Code::PermissionDenied, "no_case".into()));
    assert_eq!(crop("investigator", "other").await, (Code::PermissionDenied, "no_case".into()));
    assert_eq!(crop("operator", "k").await, (Code::PermissionDenied, "role".into()));
    // One that is not there and one out of scope are answered alike.
    assert_eq!(crop("investigator", "k").await, (Code::PermissionDenied, "outside".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_authorised_by_another_person_of_another_organisation_with_a_known_key_or_not_at_all() {
    let deployed = Deployed::prepared(|home| {
        for (name, uri) in [
            ("self", "sightline://local/authoriser/investigator"),
            ("colleague", "sightline://local/authoriser/colleague"),
            ("stranger", "sightline://elsewhere/authoriser/stranger"),
        ] {
            add_identity(home, name, uri);
        }
        let public = home.grant_public_key("oversight", "authoriser");
        for (organisation, name) in [("local", "investigator"), ("local", "colleague")] {
            std::fs::copy(&public, home.grant_public_key(organisation, name)).unwrap();
        }
    })
    .await;
    let mut cameras = v1::camera_service_client::CameraServiceClient::new(deployed.channel("operator").await);
    cameras.add_agency(v1::AddAgencyRequest { id: "local".into(), title: String::new() }).await.unwrap();
    let request = v1::AddCameraRequest { id: "gate".into(), agency_id: "local".into(), ..Default::default() };
    cameras.add_camera(request).await.unwrap();
    let case = deployed.open_case("k", "gate", FROM, TO).await;

    // Who could sign it is told about how much it would open, and nobody else is.
    let preview = async |identity| {
        let mut cases = v1::case_service_client::CaseServiceClient::new(deployed.channel(identity).await);
        let answer = cases.preview_case(v1::PreviewCaseRequest { case_id: "k".into() }).await;
        answer.map(|answer| answer.into_inner().fewer_than).map_err(|status| told(&status))
    };
    assert_eq!(preview("authoriser").await, Ok(10));
    assert_eq!(preview("investigator").await, Err((Code::PermissionDenied, "role".into())));
    assert_eq!(preview("operator").await, Err((Code::PermissionDenied, "role".into())));
    assert_eq!(preview("self").await, Err((Code::PermissionDenied, "same_person".into())));
    assert_eq!(preview("colleague").await, Err((Code::PermissionDenied, "same_organisation".into())));

    let by = async |identity| told(&deployed.authorise(identity, &case).await.unwrap_err());
    assert_eq!(by("investigator").await, (Code::PermissionDenied, "role".into()));
    assert_eq!(by("operator").await, (Code::PermissionDenied, "role".into()));
    assert_eq!(by("self").await, (Code::PermissionDenied, "same_person".into()));
    assert_eq!(by("colleague").await, (Code::PermissionDenied, "same_organisation".into()));
    assert_eq!(by("stranger").await, (Code::PermissionDenied, "bad_signature".into()));
    for signature in [vec![7; 64], vec![0; 64]] {
        let status = deployed.authorise_with("authoriser", &case, signature).await.unwrap_err();
        assert_eq!(told(&status), (Code::PermissionDenied, "bad_signature".into()));
    }
    let status = deployed.authorise_with("authoriser", &case, vec![1; 3]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    let authorised = deployed.authorise("authoriser", &case).await.unwrap();
    assert_eq!(authorised.state(), v1::CaseState::Authorised);
    assert_eq!(authorised.authorisations.len(), 1);
    assert_eq!(by("authoriser").await, (Code::FailedPrecondition, "already_authorised".into()));
    assert_eq!(preview("authoriser").await, Err((Code::FailedPrecondition, "already_authorised".into())));
    let record = deployed.record().await;
    for reason in ["same_person", "same_organisation", "bad_signature", "role"] {
        assert!(record.contains(&("case.authorise".into(), reason.into())), "{reason}: {record:?}");
    }
}
