use search::{Matched, SearchError, SearchQuery, by_camera, score};
use types::*;

use super::world::*;

fn white_over_blue() -> DescriptionQuery {
    let (upper, lower) = (Some(Colour::White), Some(Colour::Blue));
    DescriptionQuery { class: Some(Class::Person), upper, lower, ..DescriptionQuery::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_rank_by_the_share_that_matches_and_say_why() {
    let w = World::new().await;
    let half = w.see("north", 0, wears(Colour::White, Colour::Black, 1.0), looks(0.0)).await;
    let full = w.see("quay", 10, wears(Colour::White, Colour::Blue, 0.9), looks(0.0)).await;
    let _none = w.see("south", 20, wears(Colour::Red, Colour::Red, 1.0), looks(0.0)).await;
    let permit = w.permit(|_, _| {}).await;
    let found = w.searcher.search(&permit, &SearchQuery { description: white_over_blue(), ..Default::default() }).await.unwrap();
    assert!(found.exact);
    let ids: Vec<_> = found.hits.iter().map(|h| h.sighting.id).collect();
    assert_eq!(ids, [full, half], "what fits none of the words is no hit");
    assert!((found.hits[0].score - 0.9).abs() < 1e-6 && (found.hits[1].score - 0.5).abs() < 1e-6);
    assert_eq!(found.hits[1].why, [Matched::Upper(Described::new(Colour::White, 1.0))]);
    assert_eq!(found.hits[0].appearance_score, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_finds_its_like_on_other_cameras_and_never_itself() {
    let w = World::new().await;
    let plain = || wears(Colour::Grey, Colour::Grey, 0.5);
    let example = w.see("north", 0, plain(), looks(0.0)).await;
    let near = w.see("quay", 30, plain(), looks(10.0)).await;
    let far = w.see("south", 60, plain(), looks(60.0)).await;
    let permit = w.permit(|_, _| {}).await;
    let found = w.searcher.search(&permit, &SearchQuery { like: vec![example], ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [near, far]);
    let likeness = found.hits[0].appearance_score.unwrap();
    assert!((likeness - score::likeness(10f32.to_radians().cos())).abs() < 1e-3, "{likeness}");
    assert!(found.hits[1].score < 0.05, "a stranger is not shown as half a match: {}", found.hits[1].score);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_example_together_want_both() {
    let w = World::new().await;
    let example = w.see("north", 0, wears(Colour::White, Colour::Blue, 1.0), looks(0.0)).await;
    let both = w.see("quay", 30, wears(Colour::White, Colour::Blue, 0.9), looks(5.0)).await;
    let words = w.see("quay", 60, wears(Colour::White, Colour::Blue, 1.0), looks(90.0)).await;
    let like = w.see("south", 90, wears(Colour::Red, Colour::Red, 1.0), looks(0.0)).await;
    let permit = w.permit(|_, _| {}).await;
    let query = SearchQuery { description: white_over_blue(), like: vec![example], ..Default::default() };
    let found = w.searcher.search(&permit, &query).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.id).collect::<Vec<_>>(), [both, words, like]);
    assert!(found.hits[1].score <= 0.51 && found.hits[2].score <= 0.5);
    assert_eq!(by_camera(&found.hits)[0].0, &camera("quay"));
    assert_eq!(by_camera(&found.hits)[0].1.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_alone_gives_its_newest_and_nothing_at_all_is_refused() {
    let w = World::new().await;
    for second in [5, 50, 20] {
        w.see("north", second, Description::default(), looks(0.0)).await;
    }
    let permit = w.permit(|_, _| {}).await;
    let class = DescriptionQuery { class: Some(Class::Person), ..Default::default() };
    let found =
        w.searcher.search(&permit, &SearchQuery { description: class, limit: Some(2), ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.iter().map(|h| h.sighting.first.time).collect::<Vec<_>>(), [at(50), at(20)]);
    let nothing = w.searcher.search(&permit, &SearchQuery::default()).await;
    assert!(matches!(nothing, Err(SearchError::Nothing)), "{nothing:?}");
}

/// The answer is that of somebody who looked at every single sighting, whatever is asked and however little is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_same_as_looking_at_everything() {
    let w = World::new().await;
    let colours = [Colour::White, Colour::Blue, Colour::Red];
    let mut state = 12_345u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut all = Vec::new();
    for i in 0..900 {
        let on = ["north", "south", "quay"][draw(3) as usize];
        let confidence = draw(100) as f32 / 100.0;
        let worn = wears(colours[draw(3) as usize], colours[draw(3) as usize], confidence);
        // Most are far from the example: the two lists share little, so that stopping early is tempting.
        all.push((w.sighting(on, i, worn), looks(draw(120) as f32)));
    }
    w.store_all(all.clone()).await;
    let example = &all[0];
    let permit = w.permit(|_, _| {}).await;
    for (words, like) in [(true, false), (false, true), (true, true)] {
        for limit in [1, 7, 100] {
            let description = if words { white_over_blue() } else { DescriptionQuery::default() };
            let query = SearchQuery {
                description: description.clone(),
                like: like.then_some(example.0.id).into_iter().collect(),
                limit: Some(limit),
                ..Default::default()
            };
            let found = w.searcher.search(&permit, &query).await.unwrap();
            assert!(found.exact);
            let mut scores: Vec<f32> = all
                .iter()
                .filter(|(s, _)| !like || s.id != example.0.id)
                .map(|(s, looks)| {
                    let likeness = like.then(|| score::likeness(example.1.similarity(looks).unwrap()));
                    score::fuse(score::words(&description, &s.description), likeness)
                })
                .filter(|s| *s > 0.0)
                .collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            scores.truncate(limit);
            assert_eq!(found.hits.len(), scores.len());
            for (hit, wanted) in found.hits.iter().zip(&scores) {
                assert!((hit.score - wanted).abs() < 1e-3, "{words} {like} {limit}: {} for {wanted}", hit.score);
            }
        }
    }
}
