//! The pages of an answer: each begins where the one before ended.

use search::{Found, More, PageEnd, SearchQuery};
use types::*;

use super::world::*;

fn white() -> DescriptionQuery {
    DescriptionQuery { class: Some(Class::Person), upper: Some(Colour::White), ..DescriptionQuery::default() }
}

fn ids(found: &Found) -> Vec<SightingId> {
    found.hits.iter().map(|hit| hit.sighting.id).collect()
}

/// Thirty that fit, some of them alike and some seen at once, and some that do not.
async fn crowd(w: &World) -> SightingId {
    for n in 0..30_u8 {
        let sure = 0.2 + f32::from(n % 10) / 20.0;
        w.see("north", i64::from(n / 3), wears(Colour::White, Colour::Blue, sure), looks(f32::from(n % 7))).await;
    }
    for n in 0..5_u8 {
        w.see("south", i64::from(n), wears(Colour::Red, Colour::Red, 1.0), looks(120.0)).await;
    }
    w.see("quay", 500, wears(Colour::White, Colour::Black, 1.0), looks(0.0)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_an_answer_are_the_answer_whatever_is_asked_and_say_how_many_more_there_are() {
    let w = World::new().await;
    let example = crowd(&w).await;
    let permit = w.permit(|_, _| {}).await;
    let class = DescriptionQuery { class: Some(Class::Person), ..DescriptionQuery::default() };
    let like = vec![example];
    for query in [
        SearchQuery { description: white(), ..Default::default() },
        SearchQuery { like: like.clone(), ..Default::default() },
        SearchQuery { description: white(), like, ..Default::default() },
        SearchQuery { description: class, ..Default::default() },
    ] {
        let all = w.searcher.search(&permit, &query).await.unwrap();
        assert!(all.hits.len() >= 30 && !all.more.is_any(), "{:?}", all.more);
        for size in [1, 4, 7, all.hits.len()] {
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let page = SearchQuery { limit: Some(size), after, ..query.clone() };
                let found = w.searcher.search(&permit, &page).await.unwrap();
                assert!(found.exact && found.hits.len() <= size);
                pages.extend(ids(&found));
                let left = u32::try_from(all.hits.len() - pages.len()).unwrap();
                assert_eq!(found.more, More { seen: left, perhaps_others: false }, "after {}", pages.len());
                let Some(last) = found.hits.last().filter(|_| found.more.is_any()) else { break };
                after = Some(PageEnd::after(last, u32::try_from(pages.len()).unwrap()));
            }
            assert_eq!(pages, ids(&all), "by {size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_between_pages_moves_nothing_and_a_place_that_was_made_up_shows_nothing_else() {
    let w = World::new().await;
    crowd(&w).await;
    let permit = w.permit(|_, _| {}).await;
    let query = SearchQuery { description: white(), limit: Some(10), ..Default::default() };
    let first = w.searcher.search(&permit, &query).await.unwrap();
    let after = PageEnd::after(first.hits.last().unwrap(), 10);
    let next = SearchQuery { after: Some(after), ..query.clone() };
    let second = ids(&w.searcher.search(&permit, &next).await.unwrap());
    assert!(ids(&first).iter().all(|id| !second.contains(id)));
    // Better than all: it belongs to a page that was handed out.
    let best = w.see("south", 900, wears(Colour::White, Colour::White, 1.0), looks(1.0)).await;
    assert_eq!(ids(&w.searcher.search(&permit, &next).await.unwrap()), second);
    assert_eq!(w.searcher.search(&permit, &query).await.unwrap().hits[0].sighting.id, best);
    let whole = w.searcher.search(&permit, &SearchQuery { limit: None, ..query.clone() }).await.unwrap();
    for (score, rank) in [(f32::NAN, 0), (f32::INFINITY, u32::MAX), (-1.0, 7), (0.3, u32::MAX)] {
        let made_up = PageEnd { score, rank, ..after };
        let found = w.searcher.search(&permit, &SearchQuery { after: Some(made_up), ..query.clone() }).await.unwrap();
        assert!(ids(&found).iter().all(|id| ids(&whole).contains(id)) && found.hits.len() <= 10, "{score}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_more_there_are_counts_what_the_case_covers_and_says_where_it_was_not_counted_to_the_end() {
    let w = World::new().await;
    let all: Vec<_> = (0..400_u16)
        .map(|n| {
            let on = if n % 2 == 0 { "north" } else { "south" };
            (w.sighting(on, i64::from(n), wears(Colour::White, Colour::Blue, 0.9 - f32::from(n) / 1_000.0)), looks(0.0))
        })
        .collect();
    w.store_all(all).await;
    let permit = w.permit(|_, request| (request.cameras, request.limit) = ([camera("north")].into(), 200)).await;
    let query = SearchQuery { description: white(), limit: Some(5), ..Default::default() };
    let found = w.searcher.search(&permit, &query).await.unwrap();
    assert!(found.more.perhaps_others && (1..=195).contains(&found.more.seen), "{:?}", found.more);
    let most = SearchQuery { limit: Some(190), ..query };
    let found = w.searcher.search(&permit, &most).await.unwrap();
    assert_eq!((found.hits.len(), found.more), (190, More { seen: 10, perhaps_others: false }));
}
