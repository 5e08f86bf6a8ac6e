use std::collections::BTreeMap;

use catalogue::{Catalogue, Change};
use proptest::prelude::*;
use types::{Day, Sighting, SightingId};

use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u64, u64, i64)>),
    DiscardFootage(u8),
    Discard(u64),
    /// A follower reads so many changes at once, until none is left.
    Follow(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0u64..12, 0u64..1000, 0i64..50), 1..4).prop_map(Step::Put),
        1 => (0u8..3).prop_map(Step::DiscardFootage),
        2 => (0u64..12).prop_map(Step::Discard),
        2 => (1u32..6).prop_map(Step::Follow),
    ]
}

/// A copy that knows only the change feed.
#[derive(Default)]
struct Follower {
    seq: u64,
    copy: BTreeMap<(Day, SightingId), Sighting>,
}

impl Follower {
    async fn follow(&mut self, catalogue: &Catalogue, limit: u32) {
        loop {
            let changes = all(catalogue).changes_since(self.seq, limit).await.unwrap();
            assert!(changes.len() <= limit as usize);
            if changes.is_empty() {
                return;
            }
            for change in changes {
                assert!(change.seq() > self.seq, "{} after {}", change.seq(), self.seq);
                self.seq = change.seq();
                match change {
                    Change::Put { row, .. } => drop(self.copy.insert((row.sighting.day(), row.sighting.id), row.sighting)),
                    Change::Unusable { row, .. } => panic!("{row:?}"),
                    Change::Removed { id, day, .. } => drop(self.copy.remove(&(day, id))),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn catalogue_crops_and_every_follower_agree_after_any_history(steps in prop::collection::vec(step(), 1..14)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let f = fixture().await;
            let mut model: BTreeMap<SightingId, Sighting> = BTreeMap::new();
            let mut follower = Follower::default();
            for step in steps {
                match step {
                    Step::Put(list) => {
                        let batch: Vec<_> = list.into_iter().map(|(n, seed, hours)| record(n, seed, hours)).collect();
                        let seq = put(&f.catalogue, &batch).await.unwrap();
                        assert_eq!(seq, f.catalogue.last_change().await.unwrap());
                        model.extend(batch.into_iter().map(|r| (r.sighting.id, r.sighting)));
                    }
                    Step::DiscardFootage(n) => {
                        let gone = discard_footage(&f.catalogue, &camera("gate"), footage(n)).await.unwrap();
                        let before = model.len();
                        model.retain(|_, s| s.origin != types::SightingOrigin::Footage(footage(n)));
                        assert_eq!(gone.sightings as usize, before - model.len());
                    }
                    Step::Discard(n) => {
                        let gone = discard(&f.catalogue, &[id(n), id(n)]).await.unwrap();
                        assert_eq!(gone.sightings == 1, model.remove(&id(n)).is_some());
                    }
                    Step::Follow(limit) => follower.follow(&f.catalogue, limit).await,
                }
            }
            follower.follow(&f.catalogue, 3).await;
            let mut late = Follower::default();
            late.follow(&f.catalogue, 100).await;
            let wanted: BTreeMap<_, _> = model.values().map(|s| ((s.day(), s.id), s.clone())).collect();
            assert_eq!(follower.copy, wanted);
            assert_eq!(late.copy, wanted);
            let report = f.catalogue.check().await.unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!(report.sightings as usize, model.len());
            assert_eq!(report.crops as usize, model.len());
            let by_day = f.catalogue.ids_by_day().await.unwrap();
            let pairs: Vec<_> = by_day.iter().flat_map(|(day, ids)| ids.iter().map(|id| (*day, *id))).collect();
            assert_eq!(pairs, wanted.keys().copied().collect::<Vec<_>>());
        });
    }
}
