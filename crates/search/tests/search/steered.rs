//! What a person adds to words: verdicts, what has no colour, what can be reached; and which hits may be one pass.

use std::{collections::HashMap, time::Duration};

use access::Place;
use proptest::prelude::*;
use search::{Hit, ReachQuery, SearchError, SearchQuery, Travel, score};
use types::*;

use super::world::*;

fn ids(hits: &[Hit]) -> Vec<SightingId> {
    hits.iter().map(|h| h.sighting.id).collect()
}

fn plain() -> Description {
    wears(Colour::Grey, Colour::Grey, 0.5)
}

fn anybody() -> DescriptionQuery {
    DescriptionQuery { class: Some(Class::Person), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_of_several_examples_decides_none_is_a_hit_and_a_nearer_no_takes_away() {
    let w = World::new().await;
    let front = w.see("north", 0, plain(), looks(0.0)).await;
    let back = w.see("south", 60, plain(), looks(80.0)).await;
    let no = w.see("south", 120, plain(), looks(-30.0)).await;
    let like_front = w.see("quay", 200, plain(), looks(15.0)).await;
    let like_back = w.see("quay", 300, plain(), looks(70.0)).await;
    let like_no = w.see("quay", 400, plain(), looks(-20.0)).await;
    let between = w.see("quay", 500, plain(), looks(42.0)).await;
    let permit = w.permit(|_, _| {}).await;
    let search = async |like: &[SightingId], unlike: &[SightingId]| {
        let query = SearchQuery { like: like.to_vec(), unlike: unlike.to_vec(), ..Default::default() };
        w.searcher.search(&permit, &query).await.unwrap()
    };
    let found = search(&[front, back], &[no]).await;
    assert!(found.exact);
    assert_eq!(ids(&found.hits), [like_back, like_front, like_no, between]);
    let without = search(&[front, back], &[]).await;
    let of = |hits: &[Hit], id| hits.iter().find(|h| h.sighting.id == id).unwrap().score;
    assert!(of(&found.hits, like_no) < 0.9 * of(&without.hits, like_no));
    assert!((of(&found.hits, like_back) - of(&without.hits, like_back)).abs() < 1e-3);
    assert!(ids(&without.hits).contains(&no), "it is a hit unless it is named");
    // No's alone say nothing to look for, and do not count against words.
    let only_no = w.searcher.search(&permit, &SearchQuery { unlike: vec![no], ..Default::default() }).await;
    assert!(matches!(only_no, Err(SearchError::Nothing)), "{only_no:?}");
    let query = SearchQuery { description: anybody(), unlike: vec![no], ..Default::default() };
    let found = w.searcher.search(&permit, &query).await.unwrap();
    assert!(found.hits.len() == 6 && !ids(&found.hits).contains(&no));
}

/// As whoever looked at every sighting would answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_several_examples_is_the_same_as_looking_at_everything() {
    let w = World::new().await;
    let mut state = 4_711u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let colours = [Colour::White, Colour::Blue, Colour::Red];
    let mut all = Vec::new();
    for i in 0..700 {
        let worn = wears(colours[draw(3) as usize], colours[draw(3) as usize], draw(100) as f32 / 100.0);
        all.push((w.sighting(["north", "south", "quay"][draw(3) as usize], i, worn), looks(draw(360) as f32)));
    }
    w.store_all(all.clone()).await;
    let permit = w.permit(|_, _| {}).await;
    let words = DescriptionQuery { upper: Some(Colour::White), ..anybody() };
    let (like, unlike) = (&all[..3], &all[3..6]);
    for description in [DescriptionQuery::default(), words] {
        for limit in [1, 20, 100] {
            let query = SearchQuery {
                description: description.clone(),
                like: like.iter().map(|(s, _)| s.id).collect(),
                unlike: unlike.iter().map(|(s, _)| s.id).collect(),
                limit: Some(limit),
                ..Default::default()
            };
            let found = w.searcher.search(&permit, &query).await.unwrap();
            assert!(found.exact);
            let nearest = |some: &[(Sighting, Embedding)], one: &Embedding| {
                some.iter().map(|(_, e)| e.similarity(one).unwrap()).fold(f32::MIN, f32::max)
            };
            let mut scores: Vec<f32> = all[6..]
                .iter()
                .map(|(s, e)| {
                    let (yes, no) = (nearest(like, e), nearest(unlike, e));
                    let likeness = score::likeness(yes) * (1.0 - 0.25 / (1.0 + ((yes - no) / 0.03).exp()));
                    score::fuse(score::words(&description, &s.description), Some(likeness))
                })
                .collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            for (hit, wanted) in found.hits.iter().zip(&scores[..limit]) {
                assert!((hit.score - wanted).abs() < 2e-3, "{limit}: {} for {wanted}", hit.score);
            }
            assert_eq!(found.hits.len(), limit);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_of_a_pass_have_one_number_and_others_one_of_their_own() {
    let w = World::new().await;
    let see = async |on: &str, first: i64, x: f32, degrees: f32| {
        let mut sighting = w.sighting(on, first, wears(Colour::White, Colour::Blue, 1.0));
        sighting.bbox = Rect::new(x, 100.0, 40.0, 100.0);
        w.store(sighting, looks(degrees)).await
    };
    let one = see("north", 0, 100.0, 0.0).await;
    // Two seconds after it, a few steps on, and alike: sightings last five seconds.
    let fragment = see("north", 7, 300.0, 10.0).await;
    let far_off = see("north", 7, 1_200.0, 20.0).await;
    let later = see("north", 20, 300.0, 0.0).await;
    let unlike = see("north", 6, 200.0, 40.0).await;
    let elsewhere = see("south", 7, 300.0, 0.0).await;
    // As alike, but seen together with the first all the time.
    let beside = see("north", 0, 120.0, 5.0).await;
    let permit = w.permit(|_, _| {}).await;
    let description = DescriptionQuery { upper: Some(Colour::White), ..anybody() };
    let found = w.searcher.search(&permit, &SearchQuery { description, ..Default::default() }).await.unwrap();
    assert_eq!(found.hits.len(), 7);
    let group: HashMap<_, _> = found.hits.iter().map(|h| (h.sighting.id, h.group)).collect();
    let together = group[&one] == group[&fragment] || group[&beside] == group[&fragment];
    assert!(together, "{group:?}");
    assert_ne!(group[&one], group[&beside], "two at once are two figures");
    let alone = [far_off, later, unlike, elsewhere];
    let mut numbers: Vec<_> = alone.iter().map(|id| group[id]).collect();
    numbers.extend([group[&one], group[&beside]]);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6], "{group:?}");
    assert_eq!(found.hits[0].group, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_colour_is_counted_within_the_permit_and_can_be_asked_for() {
    let w = World::new().await;
    let grey = || Description { stature: Some(Described::new(Stature::Small, 0.8)), ..Default::default() };
    let night = w.see("north", 0, grey(), looks(0.0)).await;
    let later = w.see("north", 50, grey(), looks(90.0)).await;
    w.see("north", 100, plain(), looks(0.0)).await;
    w.see("south", 0, grey(), looks(0.0)).await;
    let mut bag = w.sighting("north", 10, Description::default());
    bag.class = Class::Backpack;
    w.store(bag, looks(0.0)).await;
    let mut half = grey();
    half.lower = Some(Described::new(Colour::Black, 0.2));
    w.see("north", 150, half, looks(0.0)).await;
    let permit = w.permit(|_, request| request.cameras = [camera("north")].into()).await;
    let search = async |query: SearchQuery| w.searcher.search(&permit, &query).await.unwrap();
    let words = DescriptionQuery { upper: Some(Colour::Grey), ..DescriptionQuery::default() };
    let counted = search(SearchQuery { description: words, ..Default::default() }).await.without_colour;
    assert_eq!(counted, Some(2), "of the cameras that are searched, and no thing that is carried");
    assert_eq!(search(SearchQuery { description: anybody(), ..Default::default() }).await.without_colour, None);
    let found = search(SearchQuery { description: anybody(), without_colour: true, ..Default::default() }).await;
    assert_eq!(ids(&found.hits), [later, night], "the newest first");
    let by_stature = DescriptionQuery { stature: Some(Stature::Small), ..anybody() };
    let found = search(SearchQuery { description: by_stature, without_colour: true, ..Default::default() }).await;
    assert_eq!(found.hits.len(), 2);
    let found =
        search(SearchQuery { description: anybody(), like: vec![night], without_colour: true, ..Default::default() }).await;
    assert_eq!(ids(&found.hits), [later]);
    assert_eq!(found.without_colour, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_reached_counts_the_errors_of_both_clocks_and_cuts_nothing_off_unless_asked() {
    let w = World::new().await;
    let see = async |on: &str, first: i64, error: u64| {
        let mut sighting = w.sighting(on, first, plain());
        sighting.first.uncertainty = ClockUncertainty(Duration::from_secs(error));
        sighting.last.uncertainty = sighting.first.uncertainty;
        w.store(sighting, looks(0.0)).await
    };
    // 1,112 m from north to south: 344 s at a run, less what the cameras see.
    let from = see("north", 0, 10).await;
    let too_soon = see("south", 5 + 300, 0).await;
    let in_time = see("south", 5 + 400, 0).await;
    let by_the_clock = see("south", 5 + 300, 60).await;
    let before = see("south", -500, 0).await;
    let nobody_knows = see("quay", 10, 0).await;
    let places = [("north", 50.0), ("south", 50.01)].map(|(c, lat)| (camera(c), Place::new(lat, 8.0).unwrap()));
    let permit = w.permit(|_, _| {}).await;
    let search = async |by, only| {
        let reach = Some(ReachQuery { from, by, only, places: places.clone().into() });
        w.searcher.search(&permit, &SearchQuery { description: anybody(), reach, ..Default::default() }).await.unwrap().hits
    };
    let hits = search(Travel::Foot, false).await;
    assert_eq!(hits.len(), 6);
    let reachable: HashMap<_, _> = hits.iter().map(|h| (h.sighting.id, h.reach.map(|r| r.reachable))).collect();
    let told = [from, too_soon, in_time, by_the_clock, before, nobody_knows].map(|id| reachable[&id]);
    assert_eq!(told, [Some(true), Some(false), Some(true), Some(true), Some(true), None]);
    assert!((hits.iter().find(|h| h.sighting.id == too_soon).unwrap().reach.unwrap().metres - 1_112.0).abs() < 1.0);
    let hits = search(Travel::Foot, true).await;
    assert!(hits.len() == 5 && !ids(&hits).contains(&too_soon));
    assert_eq!(search(Travel::Vehicle, true).await.len(), 6);
}

fn colour() -> impl Strategy<Value = Colour> {
    prop::sample::select(Colour::ALL.to_vec())
}

fn worn() -> impl Strategy<Value = Option<Described<Colour>>> {
    prop::option::of((colour(), 0.01f32..=1.0).prop_map(|(word, sure)| Described::new(word, sure)))
}

fn figure() -> impl Strategy<Value = Description> {
    let carried = prop::sample::subsequence(Carried::ALL.to_vec(), 0..=2);
    (worn(), worn(), carried, 0.01f32..=1.0).prop_map(|(upper, lower, carried, sure)| Description {
        upper,
        lower,
        carrying: carried.into_iter().map(|word| Described::new(word, sure)).collect(),
        ..Description::default()
    })
}

/// The words of a figure, as somebody would ask for it.
fn words_of(figure: &Description) -> DescriptionQuery {
    DescriptionQuery {
        class: Some(Class::Person),
        upper: figure.upper.map(|d| d.word),
        lower: figure.lower.map(|d| d.word),
        carrying: figure.carrying.iter().map(|d| d.word).collect(),
        ..DescriptionQuery::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whoever is looked for by their words, nobody whose words contradict all of them stands above one that bears them.
    #[test]
    fn a_hit_that_contradicts_every_word_is_never_above_one_that_bears_them(
        figures in prop::collection::vec((figure(), 0f32..360.0), 2..24),
        which in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let w = World::new().await;
            let all: Vec<_> = figures
                .iter()
                .enumerate()
                .map(|(n, (worn, degrees))| (w.sighting(["north", "south", "quay"][n % 3], n as i64, worn.clone()), looks(*degrees)))
                .collect();
            w.store_all(all).await;
            let query = words_of(&figures[which.index(figures.len())].0);
            let asked = query.parts().len();
            if asked == 0 {
                return;
            }
            let permit = w.permit(|_, _| {}).await;
            let hits = w.searcher.search(&permit, &SearchQuery { description: query.clone(), ..Default::default() }).await.unwrap().hits;
            let named = query.to_vector().iter().filter(|w| **w > 0.0).count();
            let bears = hits.iter().rposition(|h| h.why.len() == named);
            let contradicts = hits.iter().position(|h| h.why.is_empty());
            assert!(bears.is_some(), "the figure itself bears its words");
            assert!(contradicts.is_none_or(|c| bears.is_none_or(|b| b < c)), "{query:?}: {hits:?}");
        });
    }
}
