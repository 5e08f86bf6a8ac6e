//! The pages of a search's answer, over the wire: decided, charged and recorded each like a search.

use proto::v1::{self, case_service_client::CaseServiceClient, search_service_client::SearchServiceClient};
use tonic::Code;

use crate::{
    harness::told,
    keep_looking::{World, cars, case},
};

async fn page(world: &World, limit: u32, token: &str) -> Result<(Vec<v1::Hit>, v1::SearchSummary), tonic::Status> {
    let request = v1::SearchRequest { limit, page_token: token.into(), ..cars("k") };
    world.deployed.search("investigator", request).await
}

fn id(hit: &v1::Hit) -> String {
    hit.sighting.as_ref().unwrap().id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_ended_and_each_is_decided_charged_and_recorded_as_a_search() {
    let mut world = World::new().await;
    let mut seen = Vec::new();
    for n in 0..7 {
        seen.push(world.see("gate", n).await);
    }
    world.see("yard", 9).await;
    let used = async |world: &World| {
        let used = case(&world.deployed).await.used.unwrap();
        (used.queries, used.results)
    };
    let (mut token, mut ranks, mut ids, mut left) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    for pages in 1.. {
        // The size of a page may be another each time.
        let (hits, summary) = page(&world, 2 + pages % 2, &token).await.unwrap();
        ranks.extend(hits.iter().map(|hit| hit.rank));
        ids.extend(hits.iter().map(id));
        left.push((summary.more.unwrap(), summary.perhaps_more));
        assert_eq!(used(&world).await, (pages, u32::try_from(ids.len()).unwrap()), "a page is a search");
        token = summary.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ranks, (1..=7).collect::<Vec<_>>());
    assert_eq!(left, [(4, false), (2, false), (0, false)]);
    ids.sort();
    seen.sort();
    assert_eq!(ids, seen, "each once, and none that the case does not cover");
    let begun = world.deployed.record().await.iter().filter(|(a, o)| a == "search" && o == "permitted").count();
    assert_eq!(begun, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_is_of_one_question_and_no_way_around_the_case_or_its_budget() {
    let mut world = World::new().await;
    for n in 0..4 {
        world.see("gate", n).await;
    }
    let (first, summary) = page(&world, 2, "").await.unwrap();
    let token = summary.next_page_token;
    let before = case(&world.deployed).await.used.unwrap();
    // Another question, another case, nonsense: refused before anything is charged.
    let other = v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() };
    for request in [
        v1::SearchRequest { description: Some(other), page_token: token.clone(), ..cars("k") },
        v1::SearchRequest { camera_ids: vec!["gate".into()], page_token: token.clone(), ..cars("k") },
        v1::SearchRequest { page_token: token.clone(), ..cars("another") },
        v1::SearchRequest { page_token: "AAAA".into(), ..cars("k") },
        v1::SearchRequest { page_token: format!("{token}A"), ..cars("k") },
    ] {
        let refused = world.deployed.search("investigator", request).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "page_token".to_owned()), "{refused:?}");
    }
    let mut search = SearchServiceClient::new(world.deployed.channel("investigator").await);
    let going_on = v1::KeepLookingRequest {
        search: Some(v1::SearchRequest { page_token: token.clone(), ..cars("k") }),
        ..Default::default()
    };
    let refused = search.keep_looking(going_on).await.unwrap_err();
    assert_eq!(told(&refused), (Code::InvalidArgument, "page_token".to_owned()));
    assert_eq!(case(&world.deployed).await.used.unwrap(), before);
    // Whose it is not: the case decides, and not the token.
    let request = v1::SearchRequest { page_token: token.clone(), ..cars("k") };
    let refused = world.deployed.search("authoriser", request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // The same page again costs the same again, and shows the same.
    let (second, _) = page(&world, 2, &token).await.unwrap();
    let (again, _) = page(&world, 2, &token).await.unwrap();
    assert_eq!(second.iter().map(id).collect::<Vec<_>>(), again.iter().map(id).collect::<Vec<_>>());
    assert!(first.iter().all(|hit| second.iter().all(|other| id(other) != id(hit))));
    let after = case(&world.deployed).await.used.unwrap();
    assert_eq!((after.queries - before.queries, after.results - before.results), (2, 4));
    let mut cases = CaseServiceClient::new(world.deployed.channel("investigator").await);
    cases.close_case(v1::CloseCaseRequest { case_id: "k".into(), reason: "found".into() }).await.unwrap();
    let refused = page(&world, 2, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "closed".to_owned()));
}
