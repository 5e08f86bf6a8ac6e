//! Who gets in, and what tools find there.

use std::fs;

use deployment::{Home, InitOptions};
use proto::v1::{self, admin_service_client::AdminServiceClient, case_service_client::CaseServiceClient};
use tokio_stream::StreamExt;
use tonic::{Code, transport::Identity};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
    server_reflection_response::MessageResponse,
};

use crate::harness::{Deployed, connect, issue};

/// In TLS 1.3 the client learns only with its first call that its certificate was not taken.
async fn gets_in(deployed: &Deployed, identity: Option<Identity>) -> Result<v1::Party, Option<Code>> {
    let channel = connect(deployed, identity).await.map_err(|_| None)?;
    match AdminServiceClient::new(channel).status(v1::StatusRequest {}).await {
        Ok(answer) => Ok(answer.into_inner().caller.unwrap()),
        Err(status) => Err(Some(status.code())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_the_deployments_own_authority_that_names_somebody_gets_in() {
    let deployed = Deployed::start().await;
    let of = |home: &Home, name: &str| {
        let (certificate, key) = home.identity(name);
        Some(Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap()))
    };
    let party = gets_in(&deployed, of(&deployed.home, "auditor")).await.unwrap();
    assert_eq!((party.name.as_str(), party.organisation.as_str(), party.role()), ("auditor", "oversight", v1::Role::Auditor));

    let nobody =
        |refusal: Result<v1::Party, Option<Code>>| refusal.is_err_and(|code| code.is_none_or(|c| c != Code::PermissionDenied));
    assert!(nobody(gets_in(&deployed, None).await));
    let dir = tempfile::tempdir().unwrap();
    let other = Home::new(dir.path().join("other"));
    deployment::init(&other, server::TEMPLATE, &InitOptions::default()).unwrap();
    assert!(nobody(gets_in(&deployed, of(&other, "operator")).await));

    for uri in [None, Some("https://local/operator/x"), Some("sightline://local/root/x"), Some("sightline://local/operator/A")] {
        let (certificate, key) = issue(&deployed.home, uri);
        let refusal = gets_in(&deployed, Some(Identity::from_pem(certificate, key))).await;
        assert_eq!(refusal.unwrap_err(), Some(Code::Unauthenticated), "{uri:?}");
    }
    // The server's own certificate is for servers.
    let (certificate, key) = (deployed.home.server_certificate(), deployed.home.server_key());
    let server = Identity::from_pem(fs::read(certificate).unwrap(), fs::read(key).unwrap());
    assert!(nobody(gets_in(&deployed, Some(server)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_every_service_and_health_says_serving() {
    let deployed = Deployed::start().await;
    let channel = deployed.channel("operator").await;
    let ask = ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
    let mut answers =
        ServerReflectionClient::new(channel.clone()).server_reflection_info(tokio_stream::once(ask)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.next().await.unwrap().unwrap().message_response else {
        panic!("no list of services");
    };
    let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
    for service in ["SearchService", "CameraService", "CaseService", "FootageService", "AdminService", "RetentionService"] {
        let name = format!("sightline.v1.{service}");
        assert!(names.contains(&name), "{name} not in {names:?}");
        let health = HealthClient::new(channel.clone()).check(HealthCheckRequest { service: name }).await.unwrap().into_inner();
        assert_eq!(health.status, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_or_meaningless_request_is_refused_without_harm() {
    let deployed = Deployed::with_cameras().await;
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let request = v1::OpenCaseRequest { reason: "x".repeat(2 << 20), ..Default::default() };
    let status = cases.open_case(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");
    let status = cases.open_case(v1::OpenCaseRequest { purpose: 99, ..Default::default() }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let status = cases.get_case(v1::GetCaseRequest { case_id: "../x".into() }).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(deployed.check().await.clean);
}
