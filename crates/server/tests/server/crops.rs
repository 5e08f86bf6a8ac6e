//! What is shown under a case counts, whichever call shows it.

use std::collections::BTreeSet;

use deployment::Home;
use proto::v1::{self, case_service_client::CaseServiceClient, search_service_client::SearchServiceClient};
use tonic::Code;

use crate::{
    harness::{Deployed, told, window},
    seen,
};

#[tokio::test(flavor = "multi_thread")]
async fn crops_beyond_the_hits_that_were_handed_out_take_from_the_budget_and_the_others_do_not() {
    let mut ids = Vec::new();
    let deployed = Deployed::configured("", async |home: &Home| ids = seen::cars(home, 6).await).await;
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "test".into(),
        reason: "test".into(),
        scope: Some(v1::Scope {
            camera_ids: vec!["gate".into()],
            window: Some(window("2026-03-01T08:00:00Z", "2026-03-01T10:00:00Z")),
            ..Default::default()
        }),
        budget: Some(v1::Budget { queries: 5, results: 4 }),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let case = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
    deployed.authorise("authoriser", &case).await.unwrap();
    let search = v1::SearchRequest {
        case_id: "k".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Car.into(), ..Default::default() }),
        limit: 2,
        ..Default::default()
    };
    let hits = deployed.search("investigator", search).await.unwrap().0;
    let found: BTreeSet<_> = hits.into_iter().map(|h| h.sighting.unwrap().id).collect();
    assert_eq!(found.len(), 2);
    let mut crops = SearchServiceClient::new(deployed.channel("investigator").await);
    let mut look = async |id: String| {
        let seen = crops.get_crop(v1::GetCropRequest { case_id: "k".into(), sighting_id: id }).await;
        seen.map(drop).map_err(|status| told(&status))
    };
    // As often as one likes.
    for id in found.iter().chain(&found) {
        look(id.clone()).await.unwrap();
    }
    // Of the gate's six, four were not handed out, and two results are left.
    let of_gate: BTreeSet<_> = ids.iter().step_by(2).take(6).map(ToString::to_string).collect();
    let others: Vec<_> = of_gate.difference(&found).cloned().collect();
    assert_eq!(others.len(), 4);
    look(others[0].clone()).await.unwrap();
    look(others[1].clone()).await.unwrap();
    let used_up = Err((Code::PermissionDenied, "budget".into()));
    assert_eq!(look(others[2].clone()).await, used_up);
    // What was shown may be shown again, and nothing of another camera for whatever is left.
    look(others[0].clone()).await.unwrap();
    assert_eq!(look(ids[1].to_string()).await, Err((Code::PermissionDenied, "outside".into())));
    assert!(deployed.record().await.contains(&("crop".into(), "budget".into())));
    assert!(deployed.check().await.clean);
}
