use access::{Code, Hours};
use index::IndexEntry;
use search::{SearchError, SearchQuery};
use types::*;

use super::world::*;

fn person() -> DescriptionQuery {
    DescriptionQuery { class: Some(Class::Person), upper: Some(Colour::White), ..Default::default() }
}

fn white() -> Description {
    wears(Colour::White, Colour::White, 1.0)
}

async fn refusal(w: &World, permit: &access::CasePermit, query: SearchQuery) -> Code {
    match w.searcher.search(permit, &query).await {
        Err(SearchError::Denied(denial)) => denial.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_permit_is_ever_found() {
    let w = World::new().await;
    let inside = w.see("quay", 0, white(), looks(0.0)).await;
    w.see("north", 0, white(), looks(0.0)).await;
    w.see("quay", 100, white(), looks(0.0)).await;
    w.see("quay", -100, white(), looks(0.0)).await;
    let mut car = w.sighting("quay", 1, white());
    car.class = Class::Car;
    w.store(car, looks(0.0)).await;
    let permit = w
        .permit(|grant, request| {
            grant.scope.classes = [Class::Person].into();
            request.cameras = [camera("quay")].into();
            request.window = Some(window(-10, 100));
        })
        .await;
    let any_class = DescriptionQuery { class: None, ..person() };
    let found = w.searcher.search(&permit, &SearchQuery { description: any_class, ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [inside]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_wider_than_its_permit_is_refused() {
    let w = World::new().await;
    let permit = w
        .permit(|grant, request| {
            grant.purpose = access::Purpose::SeriousIncident;
            grant.scope.classes = [Class::Person].into();
            request.cameras = [camera("quay")].into();
            request.window = Some(window(-10, 100));
            request.limit = 5;
        })
        .await;
    let ask = |change: &dyn Fn(&mut SearchQuery)| {
        let mut query = SearchQuery { description: person(), ..Default::default() };
        change(&mut query);
        refusal(&w, &permit, query)
    };
    assert_eq!(ask(&|q| q.cameras = vec![camera("north")]).await, Code::Camera);
    assert_eq!(ask(&|q| q.window = Some(window(-10, 101))).await, Code::Window);
    assert_eq!(ask(&|q| q.description.class = Some(Class::Car)).await, Code::Class);
    assert_eq!(ask(&|q| q.description.stature = Some(Stature::Small)).await, Code::Part);
    assert_eq!(ask(&|q| q.limit = Some(6)).await, Code::Results);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_may_be_anything_the_case_covers_and_nothing_else() {
    let w = World::new().await;
    let elsewhere = w.see("north", 0, white(), looks(0.0)).await;
    let later = w.see("quay", 3700, white(), looks(0.0)).await;
    let hit = w.see("quay", 5, white(), looks(0.0)).await;
    let permit = w.permit(|_, request| request.cameras = [camera("quay")].into()).await;
    let like = |id| SearchQuery { like: vec![id], ..Default::default() };
    let found = w.searcher.search(&permit, &like(elsewhere)).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [hit], "asked on one camera, shown on another");
    assert_eq!(refusal(&w, &permit, like(later)).await, Code::Outside);
    let nowhere = SightingId::derive(&camera("quay"), b"never", 1);
    assert_eq!(refusal(&w, &permit, like(nowhere)).await, Code::Outside, "not told apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_forgot_is_not_found_whatever_the_index_says() {
    let w = World::new().await;
    let kept = w.see("quay", 0, white(), looks(0.0)).await;
    let gone = w.see("quay", 10, white(), looks(0.0)).await;
    let turn = w.catalogue.force_acquire_lease("test", "test", std::time::Duration::from_secs(600)).await.unwrap().unwrap();
    w.catalogue.discard_sightings(&[gone], &turn.into()).await.unwrap();
    // A row of the derived index that puts a sighting where it never was.
    let elsewhere = w.sighting("north", 20, white());
    w.store(elsewhere.clone(), looks(0.0)).await;
    let forged = Sighting { camera: camera("quay"), ..elsewhere };
    w.index.upsert(&[IndexEntry::of(forged, looks(0.0))], 99).unwrap();
    let permit = w.permit(|_, request| request.cameras = [camera("quay")].into()).await;
    let found = w.searcher.search(&permit, &SearchQuery { description: person(), ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_the_owner_keeps_back_do_not_cost_hits_from_the_others() {
    let mut w = World::new().await;
    let mut many = Vec::new();
    for i in 0..400 {
        // The best ones all lie after 12:05, which the owner keeps back.
        many.push((w.sighting("quay", 301 + i, white()), looks(0.0)));
    }
    w.store_all(many).await;
    let open = w.see("quay", 10, wears(Colour::White, Colour::Red, 0.3), looks(0.0)).await;
    for camera in &mut w.cameras {
        camera.policy.hours = Some(Hours { from_minute: 12 * 60, to_minute: 12 * 60 + 5 });
    }
    let permit = w.permit(|_, _| {}).await;
    let query = SearchQuery { description: person(), limit: Some(1), ..Default::default() };
    let found = w.searcher.search(&permit, &query).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [open]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stature_is_neither_asked_nor_shown_outside_missing_person_cases() {
    let w = World::new().await;
    w.see("quay", 0, white(), looks(0.0)).await;
    for (purpose, shown) in [(access::Purpose::MissingPerson, true), (access::Purpose::SeriousIncident, false)] {
        let permit = w.permit(|grant, _| grant.purpose = purpose).await;
        let found = w.searcher.search(&permit, &SearchQuery { description: person(), ..Default::default() }).await.unwrap();
        assert_eq!(found.hits[0].sighting.description.stature.is_some(), shown);
    }
}
