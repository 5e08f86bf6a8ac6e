use catalogue::{AppearanceModel, Change, ModelPlace};
use types::{Embedding, ModelDigest, ReceiveTime, SightingId};

use crate::support::*;

const OTHER: ModelDigest = ModelDigest([9; 32]);

fn model(place: ModelPlace, digest: ModelDigest) -> AppearanceModel {
    AppearanceModel {
        place,
        model: digest,
        embedder: Some("other".to_owned()),
        appearance: None,
        since: ReceiveTime::from_micros(START).unwrap(),
        comparison: None,
    }
}

fn vector(first: f32) -> Embedding {
    Embedding::normalised(OTHER, vec![first, 1.0]).unwrap()
}

async fn seqs(f: &Fixture) -> std::collections::BTreeMap<SightingId, u64> {
    let changes = all(&f.catalogue).changes_since(0, 100).await.unwrap();
    let put = |change: &Change| match change {
        Change::Put { seq, row } => Some((row.sighting.id, *seq)),
        Change::Unusable { .. } | Change::Removed { .. } => None,
    };
    changes.iter().filter_map(put).collect()
}

#[tokio::test]
async fn a_learned_step_is_kept_under_its_name() {
    let f = fixture().await;
    f.catalogue.keep_learned("a.projection", b"\0one").await.unwrap();
    f.catalogue.keep_learned("a.projection", b"another").await.unwrap();
    assert_eq!(f.catalogue.learned("a.projection").await.unwrap().as_deref(), Some(&b"\0one"[..]));
    assert_eq!(f.catalogue.learned("b.projection").await.unwrap(), None);
}

#[tokio::test]
async fn a_vector_of_another_model_is_kept_beside_and_given_for_that_model_alone() {
    let f = fixture().await;
    let records = [record(1, 1, 0), record(2, 2, 0)];
    put(&f.catalogue, &records).await.unwrap();
    let seqs = seqs(&f).await;
    let (a, b, own) = (records[0].sighting.id, records[1].sighting.id, &records[0].embedding);
    f.catalogue.put_embeddings(&[(a, seqs[&a], vector(1.0)), (id(99), 7, vector(0.5))]).await.unwrap();
    assert_eq!(all(&f.catalogue).embedding_by(a, own.model()).await.unwrap().as_ref(), Some(own));
    assert_eq!(all(&f.catalogue).embedding_by(a, OTHER).await.unwrap(), Some(vector(1.0)));
    assert_eq!(all(&f.catalogue).embedding_by(b, OTHER).await.unwrap(), None);
    let kept = all(&f.catalogue).kept_embeddings(OTHER, &[a, b, id(99)]).await.unwrap();
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [(a, (seqs[&a], vector(1.0)))], "nothing of what is not there");

    discard(&f.catalogue, &[a]).await.unwrap();
    assert_eq!(f.catalogue.forget_embeddings().await.unwrap(), 1);
    assert_eq!(all(&f.catalogue).embedding_by(a, OTHER).await.unwrap(), None);
}

#[tokio::test]
async fn a_vector_becomes_the_sightings_own_unless_the_sighting_has_changed_since() {
    let f = fixture().await;
    let records = [record(1, 1, 0), record(2, 2, 0)];
    put(&f.catalogue, &records).await.unwrap();
    let before = seqs(&f).await;
    let (a, b) = (records[0].sighting.id, records[1].sighting.id);
    f.catalogue.put_embeddings(&[(a, before[&a], vector(1.0)), (b, before[&b], vector(-1.0))]).await.unwrap();
    put(&f.catalogue, &records[1..]).await.unwrap();
    assert_eq!(f.catalogue.adopt_embeddings(OTHER, 1).await.unwrap(), 1);
    while f.catalogue.adopt_embeddings(OTHER, 1).await.unwrap() > 0 {}
    assert_eq!(all(&f.catalogue).embedding(a).await.unwrap(), Some(vector(1.0)));
    assert_eq!(all(&f.catalogue).embedding(b).await.unwrap().as_ref(), Some(&records[1].embedding));
    assert_eq!(seqs(&f).await[&a], before[&a], "no index need take it again");
}

#[tokio::test]
async fn one_model_at_a_time_takes_over_and_the_way_back_is_open_until_the_drop() {
    let f = fixture().await;
    let places = async || -> Vec<(ModelPlace, ModelDigest)> {
        f.catalogue.appearance_models().await.unwrap().iter().map(|m| (m.place, m.model)).collect()
    };
    let old = ModelDigest([1; 32]);
    let (current, next) = (model(ModelPlace::Current, old), model(ModelPlace::Next, OTHER));
    assert!(f.catalogue.begin_reindex(&next).await.unwrap());
    assert!(!f.catalogue.begin_reindex(&next).await.unwrap());
    f.catalogue.note_comparison("{}").await.unwrap();
    f.catalogue.switch_model(&current).await.unwrap();
    assert_eq!(places().await, [(ModelPlace::Current, OTHER), (ModelPlace::Previous, old)]);
    assert_eq!(f.catalogue.appearance_models().await.unwrap()[0].comparison.as_deref(), Some("{}"));
    assert!(!f.catalogue.begin_reindex(&next).await.unwrap(), "while the old one is kept");
    f.catalogue.roll_back_model().await.unwrap();
    assert_eq!(places().await, [(ModelPlace::Current, old)]);
    assert!(f.catalogue.begin_reindex(&next).await.unwrap());
    f.catalogue.roll_back_model().await.unwrap();
    assert_eq!(places().await, [(ModelPlace::Current, old)]);
    assert!(f.catalogue.begin_reindex(&next).await.unwrap());
    f.catalogue.switch_model(&current).await.unwrap();
    f.catalogue.drop_previous_model().await.unwrap();
    f.catalogue.roll_back_model().await.unwrap();
    assert_eq!(places().await, [(ModelPlace::Current, OTHER)], "no way back");
}
