//! What was searched and exported under a case, for its requester; and what an operator is told of the server's machine.

use deployment::Home;
use proto::v1::{
    self, admin_service_client::AdminServiceClient, case_service_client::CaseServiceClient,
    export_service_client::ExportServiceClient,
};
use tonic::{Code, Status};

use crate::{
    harness::{Deployed, add_identity, told},
    seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

async fn calls(deployed: &Deployed, who: &str, request: v1::ListCaseCallsRequest) -> Result<v1::ListCaseCallsResponse, Status> {
    let mut cases = CaseServiceClient::new(deployed.channel(who).await);
    Ok(cases.list_case_calls(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_searched_and_exported_is_listed_newest_first_for_the_requester_alone() {
    let deployed = Deployed::configured("", async |home: &Home| drop(seen::cars(home, 3).await)).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    deployed.authorised_case("other", "gate", FROM, TO).await;
    let cars = |case: &str, limit| v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit,
        ..Default::default()
    };
    let (hits, summary) = deployed.search("investigator", cars("k", 2)).await.unwrap();
    deployed.search("investigator", cars("other", 2)).await.unwrap();
    let id = hits[0].sighting.clone().unwrap().id;
    let like = v1::SearchRequest { like_sighting_id: id.clone(), description: None, ..cars("k", 1) };
    deployed.search("investigator", like).await.unwrap();
    let selection = v1::export_request::Selection::Sightings(v1::SightingSelection { sighting_ids: vec![id] });
    let request = v1::ExportRequest { case_id: "k".into(), selection: Some(selection) };
    let mut export = ExportServiceClient::new(deployed.channel("investigator").await).export(request).await.unwrap().into_inner();
    let mut exported = None;
    while let Some(message) = export.message().await.unwrap() {
        if let Some(v1::export_response::Part::Summary(summary)) = message.part {
            exported = Some(summary);
        }
    }
    let exported = exported.unwrap();

    let all = v1::ListCaseCallsRequest { case_id: "k".into(), ..Default::default() };
    let listed = calls(&deployed, "investigator", all.clone()).await.unwrap().calls;
    let words: Vec<_> = listed.iter().map(|c| (c.action.as_str(), c.outcome.as_str(), c.results)).collect();
    assert_eq!(words, [("export", "done", 1), ("search", "done", 1), ("search", "done", 2)]);
    assert_eq!(listed[0].manifest_sha256, exported.manifest_sha256);
    assert_eq!(listed[0].completed_audit_seq, exported.completed_audit_seq);
    assert_eq!((listed[1].like, listed[2].like), (1, 0));
    assert_eq!((listed[2].audit_seq, listed[2].completed_audit_seq), (summary.audit_seq, summary.completed_audit_seq));
    assert_eq!((listed[2].classes.as_slice(), listed[2].cameras), ([i32::from(v1::Class::Car)].as_slice(), 1));

    let exports = calls(&deployed, "investigator", v1::ListCaseCallsRequest { exports: true, ..all.clone() }).await.unwrap();
    assert_eq!(exports.calls, listed[..1]);
    let mut paged = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListCaseCallsRequest { page_size: 1, page_token, ..all.clone() };
        let page = calls(&deployed, "investigator", request).await.unwrap();
        paged.extend(page.calls);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, listed);

    add_identity(&deployed.home, "colleague", "sightline://local/investigator/colleague");
    let refused = async |who, request| told(&calls(&deployed, who, request).await.unwrap_err());
    assert_eq!(refused("colleague", all.clone()).await, (Code::NotFound, "no_case".into()));
    assert_eq!(refused("auditor", all.clone()).await, (Code::PermissionDenied, "role".into()));
    let elsewhere = v1::ListCaseCallsRequest { case_id: "elsewhere".into(), ..Default::default() };
    assert_eq!(refused("investigator", elsewhere).await, (Code::NotFound, "no_case".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_alone_is_told_of_the_machine_and_of_dashboards() {
    let link = "https://grafana.example/d/sightline";
    let deployed = Deployed::configured(&format!("[console]\ngrafana = \"{link}\"\n"), async |_: &Home| {}).await;
    let status = async |who| {
        let mut admin = AdminServiceClient::new(deployed.channel(who).await);
        admin.status(v1::StatusRequest {}).await.unwrap().into_inner()
    };
    let operator = status("operator").await;
    assert_eq!(operator.grafana, link);
    let machine = operator.machine.unwrap();
    assert!(machine.disk_total_bytes > 0 && machine.memory_bytes > 0, "{machine:?}");
    for who in ["investigator", "authoriser", "camera-owner", "auditor"] {
        let told = status(who).await;
        assert_eq!((told.grafana.as_str(), told.machine), ("", None), "{who}");
        assert_eq!(told.default_retention.unwrap().seconds, 30 * 86_400, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_person_the_newest_certificate_that_is_taken_is_named_with_its_end() {
    let deployed = Deployed::configured("", async |_: &Home| {}).await;
    let guest = access::Caller::from_uri("sightline://oversight/auditor/guest").unwrap();
    let out = |name: &str| deployed.home.root().join(name);
    let long = deployment::issue(&deployed.home, &guest, 200, Some(&out("long"))).unwrap().issued;
    deployment::issue(&deployed.home, &guest, 5, Some(&out("short"))).unwrap();
    let of_guest = async || {
        let mut admin = AdminServiceClient::new(deployed.channel("operator").await);
        let listed = admin.list_revocations(v1::ListRevocationsRequest {}).await.unwrap().into_inner();
        assert!(listed.server_certificate_ends.is_some());
        assert!(listed.certificates.is_sorted_by_key(|c| c.expires.unwrap().seconds));
        let guests = listed.certificates.into_iter().filter(|c| c.party.as_ref().is_some_and(|p| p.name == "guest"));
        guests.map(|c| c.serial).collect::<Vec<_>>()
    };
    assert_eq!(of_guest().await, std::slice::from_ref(&long.serial));
    let request = v1::RevokeCertificateRequest { serial: long.serial.clone(), uri: long.uri };
    AdminServiceClient::new(deployed.channel("operator").await).revoke_certificate(request).await.unwrap();
    let after = of_guest().await;
    assert!(after.len() == 1 && after[0] != long.serial, "{after:?}");
}
