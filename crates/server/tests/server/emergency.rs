//! Search at once when somebody is missing, and what happens when nobody agrees to it.

use std::time::Duration;

use deployment::Home;
use proto::v1::{self, case_service_client::CaseServiceClient};
use tonic::Code;

use crate::{
    harness::{Deployed, told, window},
    seen,
};

const HOUR: Duration = Duration::from_secs(3600);

fn ask(case: &str) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    }
}

async fn open(deployed: &Deployed, id: &str, purpose: v1::Purpose) -> Result<v1::Case, tonic::Status> {
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: purpose.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        emergency: "it is freezing outside".into(),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    Ok(cases.open_case(request).await?.into_inner().case.unwrap())
}

async fn get(deployed: &Deployed, id: &str) -> v1::Case {
    let mut cases = CaseServiceClient::new(deployed.channel("auditor").await);
    cases.get_case(v1::GetCaseRequest { case_id: id.into() }).await.unwrap().into_inner().case.unwrap()
}

async fn deployed() -> Deployed {
    Deployed::configured("", async |home: &Home| drop(seen::cars(home, 1).await)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_is_searched_at_once_and_closes_after_a_day_that_nobody_authorised_it() {
    let deployed = deployed().await;
    let case = open(&deployed, "k", v1::Purpose::MissingPerson).await.unwrap();
    assert!(case.emergency_until.is_some());
    assert_eq!(deployed.search("investigator", ask("k")).await.unwrap().0.len(), 1);
    deployed.clock.set_ahead(23 * HOUR);
    deployed.server.as_ref().unwrap().sweep().await;
    assert_eq!(deployed.search("investigator", ask("k")).await.unwrap().0.len(), 1);

    // Late is late, before any sweep.
    deployed.clock.set_ahead(25 * HOUR);
    let status = deployed.search("investigator", ask("k")).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "not_authorised".into()));
    let status = deployed.authorise("authoriser", &case).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "not_authorised".into()));

    deployed.server.as_ref().unwrap().sweep().await;
    let after = get(&deployed, "k").await;
    assert_eq!((after.state(), after.ending()), (v1::CaseState::Closed, v1::CaseEnding::Unauthorised));
    assert_eq!(told(&deployed.search("investigator", ask("k")).await.unwrap_err()).1, "closed");
    let record = deployed.record().await;
    for entry in [("case.close", "done"), ("case.purge", "permitted"), ("case.purge", "done")] {
        assert!(record.contains(&(entry.0.into(), entry.1.into())), "{entry:?}: {record:?}");
    }
    // Once.
    deployed.server.as_ref().unwrap().sweep().await;
    assert_eq!(deployed.record().await.iter().filter(|e| e.0 == "case.purge" && e.1 == "done").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_that_its_requester_closes_is_purged_and_stays_to_be_reviewed() {
    let deployed = deployed().await;
    open(&deployed, "k", v1::Purpose::MissingPerson).await.unwrap();
    deployed.search("investigator", ask("k")).await.unwrap();
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    let purged = async || deployed.record().await.iter().filter(|e| e.0 == "case.purge" && e.1 == "done").count();
    deployed.server.as_ref().unwrap().sweep().await;
    assert_eq!(purged().await, 0, "an authoriser may still agree to it");
    deployed.clock.set_ahead(25 * HOUR);
    deployed.server.as_ref().unwrap().sweep().await;
    deployed.server.as_ref().unwrap().sweep().await;
    assert_eq!(purged().await, 1);
    // However late, an authoriser says what they think of it.
    let mut cases = CaseServiceClient::new(deployed.channel("authoriser").await);
    cases.refuse_case(v1::RefuseCaseRequest { case_id: "k".into(), reason: "no ground".into() }).await.unwrap();
    assert_eq!(get(&deployed, "k").await.ending(), v1::CaseEnding::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_emergencies_that_one_person_opens_at_once_three_are_opened_and_the_others_are_refused_on_the_record() {
    let deployed = deployed().await;
    let asked: Vec<_> = (0..40).map(|n| format!("k{n}")).collect();
    let opened = asked.iter().map(|id| open(&deployed, id, v1::Purpose::MissingPerson));
    let (mut there, mut refused) = (Vec::new(), 0);
    for answer in futures::future::join_all(opened).await {
        match answer {
            Ok(case) => there.push(case.id),
            Err(status) => {
                assert_eq!(told(&status), (Code::ResourceExhausted, "emergency_quota".into()));
                refused += 1;
            }
        }
    }
    assert_eq!((there.len(), refused), (3, 37));
    let record = deployed.record().await;
    assert_eq!(record.iter().filter(|e| **e == ("case.open".into(), "emergency_quota".into())).count(), 37);

    // Closing them gives none back; a day does.
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    for id in there {
        cases.close_case(v1::CloseCaseRequest { case_id: id, reason: "found".into() }).await.unwrap();
    }
    let status = open(&deployed, "again", v1::Purpose::MissingPerson).await.unwrap_err();
    assert_eq!(told(&status).1, "emergency_quota");
    deployed.clock.set_ahead(25 * HOUR);
    open(&deployed, "tomorrow", v1::Purpose::MissingPerson).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_so_many_cases_waiting_and_an_authorised_one_waits_no_more() {
    let deployed =
        Deployed::configured("[cases]\nwaiting_cases = 2\n", async |home: &Home| drop(seen::cars(home, 1).await)).await;
    let (from, to) = ("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z");
    let first = deployed.open_case("a", "gate", from, to).await;
    deployed.open_case("b", "gate", from, to).await;
    let again = async || open(&deployed, "c", v1::Purpose::MissingPerson).await;
    assert_eq!(told(&again().await.unwrap_err()), (Code::ResourceExhausted, "waiting_quota".into()));
    deployed.authorise("authoriser", &first).await.unwrap();
    again().await.unwrap();
    assert!(deployed.record().await.contains(&("case.open".into(), "waiting_quota".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_stops_once_the_authoriser_s_certificate_is_revoked() {
    let deployed = deployed().await;
    let case = open(&deployed, "k", v1::Purpose::MissingPerson).await.unwrap();
    deployed.authorise("authoriser", &case).await.unwrap();
    deployed.search("investigator", ask("k")).await.unwrap();
    let issued = deployed.home.issued_to("authoriser").unwrap();
    let request = v1::RevokeCertificateRequest { serial: issued.serial, uri: issued.uri };
    let mut admin = proto::v1::admin_service_client::AdminServiceClient::new(deployed.channel("operator").await);
    admin.revoke_certificate(request).await.unwrap();
    let status = deployed.search("investigator", ask("k")).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "authoriser_revoked".into()));
    assert!(deployed.record().await.contains(&("search".into(), "authoriser_revoked".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_that_is_authorised_in_time_goes_on() {
    let deployed = deployed().await;
    let case = open(&deployed, "k", v1::Purpose::MissingPerson).await.unwrap();
    deployed.clock.set_ahead(2 * HOUR);
    deployed.authorise("authoriser", &case).await.unwrap();
    deployed.clock.set_ahead(48 * HOUR);
    deployed.server.as_ref().unwrap().sweep().await;
    assert_eq!(deployed.search("investigator", ask("k")).await.unwrap().0.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_case_is_over_and_purged_and_only_an_authoriser_refuses() {
    let deployed = deployed().await;
    open(&deployed, "k", v1::Purpose::MissingPerson).await.unwrap();
    deployed.search("investigator", ask("k")).await.unwrap();
    let refuse = async |who: &str| {
        let request = v1::RefuseCaseRequest { case_id: "k".into(), reason: "no ground for it".into() };
        let mut cases = CaseServiceClient::new(deployed.channel(who).await);
        cases.refuse_case(request).await.map(|a| a.into_inner().case.unwrap()).map_err(|s| told(&s))
    };
    for who in ["investigator", "operator", "auditor", "camera-owner"] {
        assert_eq!(refuse(who).await.unwrap_err(), (Code::PermissionDenied, "role".into()), "{who}");
    }
    let case = refuse("authoriser").await.unwrap();
    assert_eq!((case.state(), case.ending()), (v1::CaseState::Closed, v1::CaseEnding::Refused));
    assert_eq!(case.closed_reason, "no ground for it");
    assert_eq!(told(&deployed.search("investigator", ask("k")).await.unwrap_err()).1, "closed");
    assert_eq!(refuse("authoriser").await.unwrap_err(), (Code::FailedPrecondition, "closed".into()));
    let record = deployed.record().await;
    for entry in [("case.refuse", "role"), ("case.refuse", "done"), ("case.purge", "done"), ("case.refuse", "closed")] {
        assert!(record.contains(&(entry.0.into(), entry.1.into())), "{entry:?}: {record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_missing_person_cases_are_emergencies_and_only_where_the_deployment_allows_them() {
    let deployed = deployed().await;
    let status = open(&deployed, "other", v1::Purpose::SeriousIncident).await.unwrap_err();
    assert_eq!(told(&status), (Code::InvalidArgument, "limits".into()));
    let never = Deployed::configured("[cases]\nemergency_hours = 0\n", async |home: &Home| drop(seen::cars(home, 1).await)).await;
    open(&never, "k", v1::Purpose::MissingPerson).await.unwrap();
    let status = never.search("investigator", ask("k")).await.unwrap_err();
    assert_eq!(told(&status), (Code::PermissionDenied, "not_authorised".into()));
}
