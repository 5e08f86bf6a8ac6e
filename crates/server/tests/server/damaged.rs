//! Somebody who can write to the database changes rows behind the server's back. The record counts.

use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient,
};
use server::Home;
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
