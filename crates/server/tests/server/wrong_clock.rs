//! A machine whose clock is wrong: time does not go back, and nothing irreversible comes of a leap.

use std::time::Duration;

use deployment::Home;
use proto::v1::{self, case_service_client::CaseServiceClient, retention_service_client::RetentionServiceClient};
use server::Clock;

use crate::{
    harness::{Deployed, told, window},
    seen,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: i64 = 86_400;

async fn deployed() -> Deployed {
    let more = "[retention]\nclock_leap_days = 7\n";
    Deployed::configured(more, async |home: &Home| drop(seen::cars(home, 1).await)).await
}

/// A case that expires in an hour.
async fn open(deployed: &Deployed, id: &str, emergency: &str) -> v1::Case {
    let expires = chrono::Utc::now() + chrono::Duration::minutes(60);
    let emergency = emergency.to_owned();
    let request = v1::OpenCaseRequest {
        id: id.into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        expires: emergency.is_empty().then(|| crate::harness::time(&expires.to_rfc3339())),
        emergency,
        ..Default::default()
    };
    CaseServiceClient::new(deployed.channel("investigator").await).open_case(request).await.unwrap().into_inner().case.unwrap()
}

async fn search(deployed: &Deployed, case: &str) -> Result<(), String> {
    let request = v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        ..Default::default()
    };
    deployed.search("investigator", request).await.map(drop).map_err(|status| told(&status).1)
}

async fn get(deployed: &Deployed, id: &str) -> v1::Case {
    let mut cases = CaseServiceClient::new(deployed.channel("auditor").await);
    cases.get_case(v1::GetCaseRequest { case_id: id.into() }).await.unwrap().into_inner().case.unwrap()
}

/// Stops the server and starts another, whose clock knows nothing of the one before.
async fn again(deployed: &mut Deployed, wrong_by: i64) {
    deployed.stop().await;
    deployed.clock = Clock::default();
    deployed.clock.set_wrong(wrong_by);
    deployed.again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_revives_no_expired_case_not_even_across_a_restart() {
    for back in [31 * 60, 2 * DAY] {
        let mut deployed = deployed().await;
        let case = open(&deployed, "k", "").await;
        deployed.authorise("authoriser", &case).await.unwrap();
        search(&deployed, "k").await.unwrap();
        deployed.clock.set_ahead(HOUR + HOUR / 60);
        assert_eq!(search(&deployed, "k").await, Err("expired".into()));
        deployed.clock.set_wrong(HOUR.as_secs() as i64 + 60 - back);
        assert_eq!(search(&deployed, "k").await, Err("expired".into()), "{back} s back");
        again(&mut deployed, HOUR.as_secs() as i64 + 60 - back).await;
        assert_eq!(search(&deployed, "k").await, Err("expired".into()), "{back} s back, after a restart");
        // What is on the record is in the order of its times.
        let times: Vec<_> = deployed.entries().await.iter().map(|e| e.time.unwrap()).map(|t| (t.seconds, t.nanos)).collect();
        assert!(times.is_sorted(), "{times:?}");
        // By the word of somebody who looked, on the record, it is what the machine says.
        let mut operator = RetentionServiceClient::new(deployed.channel("operator").await);
        operator.run_retention(v1::RunRetentionRequest { clock_is_right: true }).await.unwrap();
        if back > 3_600 {
            // Not even the certificates are valid yet.
            assert!(search(&deployed, "k").await.is_err());
        }
        again(&mut deployed, 0).await;
        search(&deployed, "k").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_leaps_ahead_ends_no_emergency_and_deletes_nothing() {
    // Of which the first is believed, and refuses; the second is not.
    for leap in [30 * 3_600, 40 * DAY] {
        let mut deployed = deployed().await;
        open(&deployed, "k", "it is freezing").await;
        search(&deployed, "k").await.unwrap();
        let purged =
            async |d: &Deployed| d.record().await.iter().filter(|e| e.0 == "case.purge" || e.0 == "sightings.delete").count();
        deployed.server.as_ref().unwrap().sweep().await;
        deployed.clock.set_wrong(leap);
        deployed.server.as_ref().unwrap().sweep().await;
        let refused = search(&deployed, "k").await.unwrap_err();
        assert!(["not_authorised", "expired"].contains(&refused.as_str()), "what can be asked again is refused: {refused}");
        assert_eq!(get(&deployed, "k").await.state(), v1::CaseState::Requested, "{leap} s ahead");
        assert_eq!(purged(&deployed).await, 0, "{leap} s ahead");
        if leap > 7 * DAY {
            // Also for a server that starts with such a clock; and once it is mended all is as it was.
            again(&mut deployed, leap).await;
            deployed.server.as_ref().unwrap().sweep().await;
            assert_eq!(get(&deployed, "k").await.state(), v1::CaseState::Requested);
            deployed.clock.set_wrong(0);
            search(&deployed, "k").await.unwrap();
            again(&mut deployed, 0).await;
            search(&deployed, "k").await.unwrap();
        }
        assert_eq!(purged(&deployed).await, 0);
        assert!(deployed.check().await.clean);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_ahead_changes_what_is_refused_and_nothing_else() {
    let deployed = deployed().await;
    let case = open(&deployed, "k", "").await;
    deployed.authorise("authoriser", &case).await.unwrap();
    let long = open(&deployed, "l", "it is freezing").await;
    deployed.clock.set_wrong(3_660);
    assert_eq!(search(&deployed, "k").await, Err("expired".into()));
    search(&deployed, &long.id).await.unwrap();
    deployed.server.as_ref().unwrap().sweep().await;
    let mut retention = RetentionServiceClient::new(deployed.channel("auditor").await);
    let status = retention.retention_status(v1::RetentionStatusRequest {}).await.unwrap().into_inner();
    assert!((3_000..4_000).contains(&status.clock_ahead.unwrap().seconds), "{status:?}");
    let mut operator = RetentionServiceClient::new(deployed.channel("operator").await);
    operator.run_retention(v1::RunRetentionRequest::default()).await.unwrap();
    assert_eq!(get(&deployed, "l").await.state(), v1::CaseState::Requested);
}
