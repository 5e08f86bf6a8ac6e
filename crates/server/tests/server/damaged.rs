//! Somebody who can write to the database changes rows behind the server's back. The record counts.

use deployment::Home;
use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient,
};
use sqlx::Connection as _;
use tonic::Code;

use crate::harness::{Deployed, told};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

/// Runs SQL on the catalogue itself.
pub(crate) async fn tamper(home: &Home, sql: &str) -> u64 {
    let url = format!("sqlite://{}", home.root().join("data/catalogue.db").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap().rows_affected()
}

/// What `check` says of the record, by what it is about.
pub(crate) async fn named(deployed: &Deployed) -> Vec<String> {
    let check = deployed.check().await;
    check.findings.into_iter().filter(|f| f.kind() == v1::FindingKind::Audit).map(|f| f.subject).collect()
}

async fn search(deployed: &Deployed) -> Result<(), (Code, String)> {
    let description = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    let request = v1::SearchRequest { case_id: "k".into(), description: Some(description), ..Default::default() };
    deployed.search("investigator", request).await.map(drop).map_err(|status| told(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_case_that_is_opened_in_the_database_is_not_searched_and_is_named() {
    let mut deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    search(&deployed).await.unwrap();
    tamper(&deployed.home, "CREATE TABLE before AS SELECT * FROM case_file").await;
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    assert!(deployed.check().await.clean);

    let open = "UPDATE case_file SET state = b.state, document = b.document FROM before b WHERE b.id = case_file.id";
    assert_eq!(tamper(&deployed.home, open).await, 1);
    for _ in 0..2 {
        assert_eq!(search(&deployed).await.unwrap_err().1, "closed");
        assert_eq!(named(&deployed).await, ["case k"]);
        deployed.stop().await;
        deployed.again().await;
    }
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    let repaired = admin.check(v1::CheckRequest { repair: true }).await.unwrap().into_inner();
    assert!(repaired.clean && repaired.findings[0].repaired, "{repaired:?}");
    assert_eq!(search(&deployed).await.unwrap_err().1, "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_deleted_from_the_database_lets_nobody_in_and_is_named() {
    let mut deployed = Deployed::with_cameras().await;
    let issued = deployed.home.issued_to("investigator").unwrap();
    let request = v1::RevokeCertificateRequest { serial: issued.serial.clone(), uri: issued.uri };
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    admin.revoke_certificate(request.clone()).await.unwrap();
    assert_eq!(tamper(&deployed.home, "DELETE FROM revoked_identity").await, 1);
    deployed.stop().await;
    deployed.again().await;
    // Turned away at the door or at the call.
    let (certificate, key) = deployed.home.identity("investigator");
    let identity = tonic::transport::Identity::from_pem(std::fs::read(certificate).unwrap(), std::fs::read(key).unwrap());
    if let Ok(channel) = crate::harness::connect(&deployed, Some(identity)).await {
        CameraServiceClient::new(channel).list_cameras(v1::ListCamerasRequest::default()).await.unwrap_err();
    }
    assert_eq!(named(&deployed).await, [format!("certificate {}", issued.serial)]);
    // Revoked again, it is listed again.
    AdminServiceClient::new(deployed.channel("operator").await).revoke_certificate(request).await.unwrap();
    assert!(deployed.check().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_of_who_looked_are_named_and_made_again() {
    let deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    search(&deployed).await.unwrap();
    assert!(deployed.check().await.clean);
    assert!(tamper(&deployed.home, "DELETE FROM camera_access").await > 0);
    assert_eq!(named(&deployed).await, ["camera gate"]);
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    assert!(admin.check(v1::CheckRequest { repair: true }).await.unwrap().into_inner().clean);
    let request = v1::ListCameraAccessesRequest { camera_id: "gate".into(), limit: 0, ..Default::default() };
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    assert_eq!(owner.list_camera_accesses(request).await.unwrap().into_inner().accesses.len(), 1);
}

async fn record_health(deployed: &Deployed) -> bool {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
    let mut health = HealthClient::new(deployed.channel("operator").await);
    let request = HealthCheckRequest { service: "sightline.Record".into() };
    health.check(request).await.unwrap().into_inner().status() == ServingStatus::Serving
}

/// Named before and after a restart, which health tells of; put right by `check --repair`.
async fn named_and_repaired(deployed: &mut Deployed, subject: &str) {
    assert_eq!(named(deployed).await, [subject]);
    assert!(!record_health(deployed).await);
    deployed.stop().await;
    deployed.again().await;
    assert!(!record_health(deployed).await, "told at the start");
    assert_eq!(named(deployed).await, [subject]);
    let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
    let repaired = admin.check(v1::CheckRequest { repair: true }).await.unwrap().into_inner();
    assert!(repaired.clean && repaired.findings[0].repaired, "{repaired:?}");
    assert!(record_health(deployed).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_given_back_in_the_database_stays_used_up_and_is_named() {
    let mut deployed = Deployed::with_cameras().await;
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(crate::harness::window(FROM, TO)),
            ..Default::default()
        }),
        budget: Some(v1::Budget { queries: 2, results: 100 }),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let case = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
    deployed.authorise("authoriser", &case).await.unwrap();
    search(&deployed).await.unwrap();
    search(&deployed).await.unwrap();
    assert_eq!(search(&deployed).await.unwrap_err().1, "budget");
    assert!(deployed.check().await.clean && record_health(&deployed).await);
    assert_eq!(tamper(&deployed.home, "UPDATE case_file SET spent_queries = 0").await, 1);
    assert_eq!(search(&deployed).await.unwrap_err().1, "budget");
    named_and_repaired(&mut deployed, "case k").await;
    assert_eq!(search(&deployed).await.unwrap_err().1, "budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_changed_in_the_database_lets_nobody_in_and_is_named() {
    let mut deployed = Deployed::with_cameras().await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    owner.pause_camera(v1::PauseCameraRequest { camera_id: "gate".into() }).await.unwrap();
    assert_eq!(search(&deployed).await.unwrap_err().1, "camera_paused");
    assert!(deployed.check().await.clean);
    let resume = "UPDATE camera SET policy = replace(policy, '\"paused\":true', '\"paused\":false') WHERE id = 'gate'";
    assert_eq!(tamper(&deployed.home, resume).await, 1);
    assert_eq!(search(&deployed).await.unwrap_err().1, "camera_paused");
    named_and_repaired(&mut deployed, "policy of camera gate").await;
    assert_eq!(search(&deployed).await.unwrap_err().1, "camera_paused");

    // What somebody made of it does not become the owner's word with the next change.
    let open = "UPDATE camera SET policy = replace(policy, '\"paused\":true', '\"paused\":false') WHERE id = 'gate'";
    tamper(&deployed.home, open).await;
    let mut owner = CameraServiceClient::new(deployed.channel("camera-owner").await);
    let sensitive = v1::SetCameraPolicyRequest { camera_id: "gate".into(), sensitive: Some(true), ..Default::default() };
    owner.set_camera_policy(sensitive).await.unwrap();
    assert_eq!(search(&deployed).await.unwrap_err().1, "camera_paused");
    assert!(deployed.check().await.clean);
    owner.resume_camera(v1::ResumeCameraRequest { camera_id: "gate".into() }).await.unwrap();
    assert_eq!(search(&deployed).await.unwrap_err().1, "second_authoriser");
}
