//! Verdicts and the tray, kept with the case.

use std::collections::BTreeSet;

use access::AuditEntry;
use deployment::Home;
use proto::v1::{self, case_service_client::CaseServiceClient};
use tonic::{Code, Status, transport::Channel};
use types::SightingId;

use crate::{
    harness::{Deployed, add_identity, told, window},
    ingest, seen,
};

const FROM: &str = "2026-03-01T08:00:00Z";
const TO: &str = "2026-03-01T10:00:00Z";

fn cars(case: &str, limit: u32) -> v1::SearchRequest {
    v1::SearchRequest {
        case_id: case.into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit,
        ..Default::default()
    }
}

/// Six cars at the gate, and the case `k`; the ids of the gate's.
async fn deployed() -> (Deployed, Vec<SightingId>) {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, 6).await).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    (deployed, ids.into_iter().step_by(2).take(6).collect())
}

async fn cases(deployed: &Deployed, identity: &str) -> CaseServiceClient<Channel> {
    CaseServiceClient::new(deployed.channel(identity).await)
}

fn verdict(id: &str, verdict: v1::Verdict) -> v1::MarkChange {
    v1::MarkChange { sighting_id: id.into(), verdict: verdict.into(), in_tray: None }
}

fn tray(id: &str, in_tray: bool) -> v1::MarkChange {
    v1::MarkChange { sighting_id: id.into(), in_tray: Some(in_tray), ..Default::default() }
}

async fn set(deployed: &Deployed, identity: &str, changes: Vec<v1::MarkChange>) -> Result<Vec<v1::Mark>, Status> {
    let request = v1::SetMarksRequest { case_id: "k".into(), changes };
    Ok(cases(deployed, identity).await.set_marks(request).await?.into_inner().marks)
}

async fn list(deployed: &Deployed, change: impl FnOnce(&mut v1::ListMarksRequest)) -> v1::ListMarksResponse {
    let mut request = v1::ListMarksRequest { case_id: "k".into(), ..Default::default() };
    change(&mut request);
    cases(deployed, "investigator").await.list_marks(request).await.unwrap().into_inner()
}

async fn found(deployed: &Deployed, limit: u32) -> Vec<String> {
    let (hits, _) = deployed.search("investigator", cars("k", limit)).await.unwrap();
    hits.into_iter().map(|h| h.sighting.unwrap().id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_and_tray_are_kept_each_by_itself_listed_in_pages_and_on_the_record() {
    let (mut deployed, _) = deployed().await;
    let ids = found(&deployed, 3).await;
    set(&deployed, "investigator", vec![verdict(&ids[0], v1::Verdict::Yes), verdict(&ids[1], v1::Verdict::No)]).await.unwrap();
    let kept = set(&deployed, "investigator", vec![tray(&ids[0], true), tray(&ids[2], true)]).await.unwrap();
    let of = |id: &str| kept.iter().find(|m| m.sighting_id == id).map(|m| (m.verdict(), m.in_tray));
    assert_eq!(of(&ids[0]), Some((v1::Verdict::Yes, true)), "the tray takes no verdict back");
    assert_eq!(of(&ids[2]), Some((v1::Verdict::Unspecified, true)));
    // What says nothing any more is not kept.
    set(&deployed, "investigator", vec![verdict(&ids[1], v1::Verdict::None)]).await.unwrap();

    // Also after a restart.
    deployed.stop().await;
    deployed.again().await;
    let marked: BTreeSet<_> = list(&deployed, |_| {}).await.marks.into_iter().map(|m| m.sighting_id).collect();
    assert_eq!(marked, [ids[0].clone(), ids[2].clone()].into());
    let yes = list(&deployed, |r| r.set_verdict(v1::Verdict::Yes)).await.marks;
    assert_eq!(yes.iter().map(|m| &m.sighting_id).collect::<Vec<_>>(), [&ids[0]]);
    assert_eq!(list(&deployed, |r| r.in_tray = true).await.marks.len(), 2);
    let first = list(&deployed, |r| r.page_size = 1).await;
    let second = list(&deployed, |r| (r.page_size, r.page_token) = (1, first.next_page_token.clone())).await;
    assert_eq!((first.marks.len(), second.marks.len(), second.next_page_token.as_str()), (1, 1, ""));
    assert_ne!(first.marks[0].sighting_id, second.marks[0].sighting_id);

    let entries = deployed.entries().await;
    let begun = entries.iter().find(|e| e.action == "mark.set" && e.outcome == "permitted").unwrap();
    let entry = AuditEntry::from_bytes(&begun.entry).unwrap();
    let said: Vec<_> = entry.detail.marks.values().map(|m| m.verdict.map(access::Verdict::as_str)).collect();
    assert_eq!(said.len(), 2);
    assert!(said.contains(&Some("yes")) && said.contains(&Some("no")), "{said:?}");
    assert_eq!(begun.case_id, "k");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_handed_out_is_marked_by_its_requester_while_the_case_is_open() {
    let (deployed, of_gate) = deployed().await;
    add_identity(&deployed.home, "colleague", "sightline://local/investigator/colleague");
    let ids = found(&deployed, 2).await;
    let other = of_gate.iter().map(ToString::to_string).find(|id| !ids.contains(id)).unwrap();
    let yes = |id: &str| vec![verdict(id, v1::Verdict::Yes)];
    let refused = async |identity, changes| told(&set(&deployed, identity, changes).await.unwrap_err());
    assert_eq!(refused("investigator", yes(&other)).await, (Code::PermissionDenied, "outside".into()));
    let nowhere = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let both = vec![verdict(&ids[0], v1::Verdict::Yes), verdict(nowhere, v1::Verdict::Yes)];
    assert_eq!(refused("investigator", both).await, (Code::PermissionDenied, "outside".into()), "not told apart");
    assert_eq!(list(&deployed, |_| {}).await.marks, [], "all of them or none");
    assert_eq!(refused("colleague", yes(&ids[0])).await, (Code::NotFound, "no_case".into()));
    assert_eq!(refused("auditor", yes(&ids[0])).await, (Code::PermissionDenied, "role".into()));
    let invalid = [
        Vec::new(),
        [yes(&ids[0]), yes(&ids[0])].concat(),
        vec![v1::MarkChange { sighting_id: ids[0].clone(), ..Default::default() }],
    ];
    for changes in invalid {
        assert_eq!(refused("investigator", changes).await, (Code::InvalidArgument, "nothing_marked".into()));
    }
    let mut colleague = cases(&deployed, "colleague").await;
    let theirs = colleague.list_marks(v1::ListMarksRequest { case_id: "k".into(), ..Default::default() }).await;
    assert_eq!(told(&theirs.unwrap_err()), (Code::NotFound, "no_case".into()));

    set(&deployed, "investigator", yes(&ids[0])).await.unwrap();
    let close = v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() };
    cases(&deployed, "investigator").await.close_case(close).await.unwrap();
    assert_eq!(refused("investigator", yes(&ids[1])).await, (Code::FailedPrecondition, "closed".into()));
    assert_eq!(list(&deployed, |_| {}).await.marks.len(), 1, "what was kept can still be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_of_a_case_is_purged_with_it() {
    let mut deployed = Deployed::configured("", async |home: &Home| drop(seen::cars(home, 2).await)).await;
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope { camera_ids: vec!["gate".into()], window: Some(window(FROM, TO)), ..Default::default() }),
        emergency: "it is freezing outside".into(),
        ..Default::default()
    };
    cases(&deployed, "investigator").await.open_case(request).await.unwrap();
    let ids = found(&deployed, 10).await;
    set(&deployed, "investigator", vec![verdict(&ids[0], v1::Verdict::Yes), tray(&ids[1], true)]).await.unwrap();
    let refuse = v1::RefuseCaseRequest { case_id: "k".into(), reason: "no".into() };
    cases(&deployed, "authoriser").await.refuse_case(refuse).await.unwrap();
    assert_eq!(list(&deployed, |_| {}).await.marks, []);
    let id: SightingId = ids[0].parse().unwrap();
    deployed.stop().await;
    let database = deployed.home.root().join("data/catalogue.db");
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", database.display())).await.unwrap();
    for table in ["mark", "handed_out"] {
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE sighting = $1")))
            .bind(id.0.as_bytes().as_slice())
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_sighting_that_is_stored_again_keeps_its_verdict_and_one_that_is_deleted_does_not() {
    let deployed = ingest::deployed().await;
    let mut holder = ingest::LeaseClient::come(&deployed, "ingest", ingest::ONE).await;
    let epoch = holder.beat(&[]).await.into_iter().find(|(camera, _)| camera == "gate").unwrap().1;
    ingest::authorised(&deployed, "k", "gate").await;
    let wire = ingest::Wire::new();
    let now = types::CaptureTime::from_micros(chrono::Utc::now().timestamp_micros()).unwrap();
    let sighting = ingest::car("gate", "local", 1, now);
    ingest::push(&deployed, "ingest", vec![wire.message(1, epoch, &sighting)]).await;
    let ids = found(&deployed, 10).await;
    assert_eq!(ids.len(), 1);
    set(&deployed, "investigator", vec![verdict(&ids[0], v1::Verdict::Yes)]).await.unwrap();
    ingest::push(&deployed, "ingest", vec![wire.message(2, epoch, &sighting)]).await;
    assert_eq!(list(&deployed, |_| {}).await.marks.len(), 1);
    let like = v1::SearchRequest { like_sighting_id: ids[0].clone(), ..cars("k", 10) };
    deployed.search("investigator", like).await.unwrap();
}
