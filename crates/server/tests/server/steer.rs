//! A search that a person steers: examples, what has no colour, what can be reached, and what is left of the budget.

use std::collections::BTreeSet;

use access::AuditEntry;
use deployment::Home;
use proto::v1::{
    self, admin_service_client::AdminServiceClient, camera_service_client::CameraServiceClient,
    case_service_client::CaseServiceClient, example::What,
};
use tonic::Code;
use types::SightingId;

use crate::{
    harness::{Deployed, told},
    seen,
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

fn example(id: &str) -> v1::Example {
    v1::Example { what: Some(What::SightingId(id.into())) }
}

async fn found(deployed: &Deployed, request: v1::SearchRequest) -> Vec<String> {
    let (hits, _) = deployed.search("investigator", request).await.unwrap();
    hits.into_iter().map(|h| h.sighting.unwrap().id).collect()
}

/// Six cars at the gate and six in the yard, and the case `k` over the gate.
async fn deployed() -> (Deployed, Vec<SightingId>) {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, 6).await).await;
    deployed.authorised_case("k", "gate", FROM, TO).await;
    (deployed, ids)
}

/// Names a sighting in a request, in one of the ways there are.
type Ask = &'static dyn Fn(&mut v1::SearchRequest, &str);

#[tokio::test(flavor = "multi_thread")]
async fn an_example_must_have_been_handed_out_under_the_case_also_on_a_server_that_was_started_anew() {
    let (mut deployed, ids) = deployed().await;
    deployed.authorised_case("other", "gate", FROM, TO).await;
    let handed = found(&deployed, cars("k", 2)).await;
    let of_gate: Vec<String> = ids.iter().step_by(2).take(6).map(ToString::to_string).collect();
    let not_handed = of_gate.iter().find(|id| !handed.contains(id)).unwrap().clone();
    let nowhere = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
    let asks: [Ask; 4] = [
        &|r, id| r.like_sighting_id = id.into(),
        &|r, id| r.like = vec![example(id)],
        &|r, id| r.unlike = vec![example(id)],
        &|r, id| {
            r.reach = Some(v1::ReachQuery { from_sighting_id: id.into(), by: v1::Travel::Foot.into(), only: false });
        },
    ];
    for round in 0..2 {
        for ask in asks {
            let asked = |case: &str, id: &str| {
                let mut request = cars(case, 1);
                ask(&mut request, id);
                request
            };
            deployed.search("investigator", asked("k", &handed[0])).await.unwrap();
            for (case, id) in [("k", &not_handed), ("k", &nowhere), ("other", &handed[0])] {
                let refused = deployed.search("investigator", asked(case, id)).await.unwrap_err();
                assert_eq!(told(&refused), (Code::PermissionDenied, "outside".into()), "round {round}: {case} {id}");
            }
        }
        deployed.stop().await;
        deployed.again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_examples_are_on_the_record_none_is_a_hit_and_what_makes_no_sense_is_refused() {
    let (deployed, _) = deployed().await;
    let handed = found(&deployed, cars("k", 4)).await;
    let steered = v1::SearchRequest {
        like: vec![example(&handed[0]), example(&handed[1])],
        unlike: vec![example(&handed[2])],
        ..cars("k", 50)
    };
    let (hits, summary) = deployed.search("investigator", steered.clone()).await.unwrap();
    let ids: BTreeSet<_> = hits.iter().map(|h| h.sighting.as_ref().unwrap().id.clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(handed[..3].iter().all(|id| !ids.contains(id)));
    assert!(hits.iter().all(|h| h.appearance_score.is_some() && h.group >= 1));
    assert!(summary.exact);
    let entries = deployed.entries().await;
    let entry = AuditEntry::from_bytes(&entries.iter().find(|e| e.seq == summary.audit_seq).unwrap().entry).unwrap();
    let named = |ids: &[String]| ids.iter().map(|id| id.parse::<SightingId>().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!((entry.detail.like, entry.detail.unlike), (named(&handed[..2]), named(&handed[2..3])));

    let refused = async |change: &dyn Fn(&mut v1::SearchRequest)| {
        let mut request = steered.clone();
        change(&mut request);
        told(&deployed.search("investigator", request).await.unwrap_err())
    };
    let invalid = |reason: &str| (Code::InvalidArgument, reason.to_owned());
    assert_eq!(refused(&|r| r.unlike = r.like.clone()).await, invalid("both_examples"));
    assert_eq!(refused(&|r| r.like.push(v1::Example::default())).await, invalid("bad_message"));
    assert_eq!(refused(&|r| r.like = vec![example(&handed[0]); 21]).await, invalid("too_large"));
    let picture = || v1::Example { what: Some(What::Picture(vec![1; 8])) };
    assert_eq!(refused(&|r| r.unlike = vec![picture(); 5]).await, invalid("too_many_examples"));
    assert_eq!(refused(&|r| r.unlike = vec![picture()]).await, invalid("bad_picture"));
    let red = v1::DescriptionQuery { vehicle_colour: v1::Colour::Red.into(), ..Default::default() };
    assert_eq!(
        refused(&|r| (r.description, r.without_colour) = (Some(red.clone()), true)).await,
        invalid("colour_without_colour")
    );
    let nothing = |r: &mut v1::SearchRequest| (r.description, r.like) = (None, Vec::new());
    assert_eq!(refused(&nothing).await, invalid("nothing_asked"));
    let nowhere =
        |r: &mut v1::SearchRequest| r.reach = Some(v1::ReachQuery { from_sighting_id: handed[0].clone(), ..Default::default() });
    assert_eq!(refused(&nowhere).await, invalid("bad_message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_says_whether_it_can_be_reached_where_positions_are_known() {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| {
        ids = seen::cars(home, 2).await;
        let database = home.root().join("data/catalogue.db");
        let mut db =
            <sqlx::SqliteConnection as sqlx::Connection>::connect(&format!("sqlite:{}", database.display())).await.unwrap();
        // 1,112 m apart; the cars were seen within seconds.
        for change in [
            "UPDATE camera SET latitude = 50.0, longitude = 8.0 WHERE id = 'gate'",
            "UPDATE camera SET latitude = 50.01, longitude = 8.0 WHERE id = 'yard'",
        ] {
            sqlx::query(change).execute(&mut db).await.unwrap();
        }
        sqlx::Connection::close(db).await.unwrap();
    })
    .await;
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    let listed = cameras.list_cameras(v1::ListCamerasRequest::default()).await.unwrap().into_inner().cameras;
    assert!(listed.iter().filter(|c| c.position.is_some()).count() == 2, "{listed:?}");
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            agency_ids: vec!["local".into(), "other".into()],
            window: Some(crate::harness::window(FROM, TO)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let opened = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
    deployed.authorise("authoriser", &opened).await.unwrap();
    assert_eq!(found(&deployed, cars("k", 10)).await.len(), 5);
    let from = |only| {
        let reach = v1::ReachQuery { from_sighting_id: ids[0].to_string(), by: v1::Travel::Foot.into(), only };
        v1::SearchRequest { reach: Some(reach), ..cars("k", 10) }
    };
    let (hits, _) = deployed.search("investigator", from(false)).await.unwrap();
    let of = |camera: &str| -> Vec<Option<v1::Reach>> {
        hits.iter().filter(|h| h.sighting.as_ref().unwrap().camera_id == camera).map(|h| h.reach).collect()
    };
    assert!(of("gate").iter().all(|r| r.is_some_and(|r| r.reachable && r.metres == 0)));
    assert!(of("yard").iter().all(|r| r.is_some_and(|r| !r.reachable && r.metres == 1_112)), "{:?}", of("yard"));
    assert_eq!(of("quay"), [None], "nobody knows where it hangs");
    let (hits, summary) = deployed.search("investigator", from(true)).await.unwrap();
    let cameras: Vec<_> = hits.iter().map(|h| h.sighting.as_ref().unwrap().camera_id.as_str()).collect();
    assert!(!cameras.contains(&"yard") && cameras.contains(&"quay") && cameras.len() == 3, "{cameras:?}");
    let entries = deployed.entries().await;
    let entry = AuditEntry::from_bytes(&entries.iter().find(|e| e.seq == summary.audit_seq).unwrap().entry).unwrap();
    assert_eq!(entry.detail.reach_from, Some(ids[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_says_what_was_used_of_its_budget_and_what_is_left() {
    let (deployed, _) = deployed().await;
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let mut budgets = async || {
        let case = cases.get_case(v1::GetCaseRequest { case_id: "k".into() }).await.unwrap().into_inner().case.unwrap();
        (case.budget.unwrap(), case.used.unwrap(), case.left.unwrap())
    };
    let (whole, used, left) = budgets().await;
    assert_eq!((used, left), (v1::Budget::default(), whole));
    found(&deployed, cars("k", 2)).await;
    // Reserves more than it finds, and gives that back.
    found(&deployed, cars("k", 100)).await;
    let (_, used, left) = budgets().await;
    assert_eq!((used.queries, used.results), (2, 8));
    assert_eq!((left.queries, left.results), (whole.queries - 2, whole.results - 8));
    let listed = cases.list_cases(v1::ListCasesRequest::default()).await.unwrap().into_inner().cases;
    assert_eq!(listed[0].used, Some(used));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_listed_by_case_action_outcome_caller_and_time_page_by_page() {
    let (deployed, _) = deployed().await;
    deployed.authorised_case("other", "gate", FROM, TO).await;
    for _ in 0..3 {
        found(&deployed, cars("k", 1)).await;
    }
    found(&deployed, cars("other", 1)).await;
    deployed.search("investigator", cars("none", 1)).await.unwrap_err();
    let mut admin = AdminServiceClient::new(deployed.channel("auditor").await);
    let mut pages = async |change: &dyn Fn(&mut v1::ListAuditRequest)| {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let mut request = v1::ListAuditRequest { limit: 2, page_token, ..Default::default() };
            change(&mut request);
            let page = admin.list_audit(request).await.unwrap().into_inner();
            assert!(page.entries.len() <= 2);
            all.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    };
    let of_case = pages(&|r| r.case_id = "k".into()).await;
    assert!(of_case.iter().all(|e| e.case_id == "k") && of_case.windows(2).all(|two| two[0].seq < two[1].seq));
    // Opened and authorised, and three searches, each begun and done.
    assert_eq!(of_case.len(), 4 + 6, "{:?}", of_case.iter().map(|e| (&e.action, &e.outcome)).collect::<Vec<_>>());
    assert_eq!(pages(&|r| (r.case_id, r.action, r.outcome) = ("k".into(), "search".into(), "done".into())).await.len(), 3);
    let refused = pages(&|r| r.outcome = "no_case".into()).await;
    assert_eq!(refused.iter().map(|e| e.action.as_str()).collect::<Vec<_>>(), ["search"]);
    let caller = |role: v1::Role| v1::Party { role: role.into(), ..Default::default() };
    let by_authoriser = pages(&|r| r.caller = Some(caller(v1::Role::Authoriser))).await;
    assert!(!by_authoriser.is_empty() && by_authoriser.iter().all(|e| e.action == "case.authorise"));
    let nobody = pages(&|r| r.caller = Some(v1::Party { name: "nobody".into(), ..Default::default() })).await;
    assert_eq!(nobody.len(), 0);
    let long_ago = pages(&|r| r.window = Some(crate::harness::window(FROM, TO))).await;
    assert_eq!(long_ago.len(), 0);
    let wrong = [
        v1::ListAuditRequest { action: "sarch".into(), ..Default::default() },
        v1::ListAuditRequest { outcome: "fine".into(), ..Default::default() },
    ];
    for request in wrong {
        let refused = admin.list_audit(request).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "no_word".into()));
    }
    // A page of another question is none of this one.
    let first = admin
        .list_audit(v1::ListAuditRequest { limit: 1, case_id: "k".into(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    let request =
        v1::ListAuditRequest { limit: 1, page_token: first.next_page_token, case_id: "other".into(), ..Default::default() };
    assert_eq!(told(&admin.list_audit(request).await.unwrap_err()).1, "page_token");
}
