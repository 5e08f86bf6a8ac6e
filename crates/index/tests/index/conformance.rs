//! What any vector index of Sightline must do, wherever it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread,
};

use proptest::{prelude::*, test_runner::TestRunner};
use types::{Class, Embedding, ModelDigest, SightingId};

use crate::{
    support::*,
    world::{World, on_every_index},
};
use index::{IndexEntry, IndexError, IndexQuery, QueryVector, VectorIndex};

on_every_index! {
    a_search_finds_exactly_the_best_under_any_filter,
    the_window_is_half_open_and_reaches_over_midnight,
    nothing_named_finds_nothing,
    an_entry_or_query_that_does_not_fit_is_refused_and_changes_nothing,
    what_is_flushed_is_there_after_a_restart_and_synced_says_so,
    a_dropped_day_is_gone,
    a_day_keeps_what_a_purge_is_told_to_keep_and_goes_on,
    searches_during_a_purge_see_all_that_is_kept,
    models_live_beside_each_other_until_one_is_not_kept,
    an_index_that_is_made_again_is_empty_and_takes_everything_anew,
    searching_changing_flushing_and_dropping_go_on_side_by_side,
}

fn a_search_finds_exactly_the_best_under_any_filter(world: &World) {
    // One index for all cases: making a day's bucket waits for the disk many times.
    let index = world.open();
    let entries = prop::collection::vec((0u64..60, any::<u32>(), -30i64..30), 0..120);
    let removed = prop::collection::vec(0u64..60, 0..10);
    let some = |of: std::ops::Range<u64>| prop::collection::vec(of, 0..4);
    let query = (any::<u32>(), any::<bool>(), -30i64..30, 1i64..48, some(0..6), some(0..4), 0usize..40, some(0..60));
    let strategy = (entries, removed, prop::collection::vec(query, 1..8));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: if world.is_slow() { 16 } else { 64 },
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner.run(&strategy, |(entries, removed, queries)| check_case(&index, entries, &removed, queries)).unwrap();
}

type RandomQuery = (u32, bool, i64, i64, Vec<u64>, Vec<u64>, usize, Vec<u64>);

fn check_case(
    index: &VectorIndex,
    entries: Vec<(u64, u32, i64)>,
    removed: &[u64],
    queries: Vec<RandomQuery>,
) -> Result<(), TestCaseError> {
    for day in index.days().unwrap() {
        index.remove(&ids_on(index, day).into_iter().map(|id| (day, id)).collect::<Vec<_>>(), 0).unwrap();
    }
    // An id stays on its day, as in the catalogue.
    let mut reference: BTreeMap<SightingId, IndexEntry> = BTreeMap::new();
    for (n, seed, hours) in entries {
        let at = reference.get(&id(n)).map_or(hours * HOUR, |e| e.first.as_micros() - START);
        let new = entry(n, u64::from(seed), at);
        index.upsert(std::slice::from_ref(&new), 1).unwrap();
        reference.insert(new.id, new);
    }
    let gone: Vec<_> = removed.iter().filter_map(|n| reference.remove(&id(*n))).map(|e| (e.day, e.id)).collect();
    index.remove(&gone, 2).unwrap();
    prop_assert_eq!(index.len().unwrap(), reference.len());
    for (seed, by_description, from, hours, cameras, classes, limit, exclude) in queries {
        let seed = u64::from(seed);
        let vector = if by_description {
            QueryVector::Description(description(seed))
        } else {
            QueryVector::Appearance(appearance(seed, LEN))
        };
        let q = IndexQuery {
            window: window(from * HOUR, (from + hours) * HOUR),
            cameras: cameras.into_iter().map(camera).collect(),
            classes: classes.into_iter().map(|c| Class::ALL[c as usize]).collect(),
            vector,
            limit,
            exclude: exclude.into_iter().map(id).collect(),
        };
        assert_best(&index.search(&q).unwrap(), &expected(reference.values(), &q), limit);
    }
    Ok(())
}

fn the_window_is_half_open_and_reaches_over_midnight(world: &World) {
    let index = world.open();
    // Ten seconds around midnight: filed under the day before.
    let over = entry(1, 1, -5_000_000);
    index.upsert(std::slice::from_ref(&over), 1).unwrap();
    let mut q = query(QueryVector::Appearance(appearance(1, LEN)));
    for (from, to, found) in [
        (0, 1, 1),
        (5_000_000, 6_000_000, 1),
        (5_000_001, 6_000_000, 0),
        (-9_000_000, -5_000_000, 0),
        (-9_000_000, -4_999_999, 1),
    ] {
        q.window = window(from, to);
        assert_eq!(index.search(&q).unwrap().len(), found, "{from}..{to}");
    }
}

fn nothing_named_finds_nothing(world: &World) {
    let index = world.open();
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    let mut q = query(QueryVector::Appearance(appearance(1, LEN)));
    assert_eq!(index.search(&q).unwrap().len(), 1);
    q.limit = 0;
    assert!(index.search(&q).unwrap().is_empty());
    (q.limit, q.cameras) = (10, Vec::new());
    assert!(index.search(&q).unwrap().is_empty());
}

fn an_entry_or_query_that_does_not_fit_is_refused_and_changes_nothing(world: &World) {
    let index = world.open();
    let good = entry(1, 1, 0);
    let with = |change: &dyn Fn(&mut IndexEntry)| {
        let mut e = entry(2, 2, 0);
        change(&mut e);
        index.upsert(&[good.clone(), e], 9).unwrap_err()
    };
    assert!(matches!(
        with(&|e| e.appearance = Embedding::new(ModelDigest([1; 32]), e.appearance.values().to_vec()).unwrap()),
        IndexError::Model { .. }
    ));
    assert!(matches!(with(&|e| e.appearance = appearance(2, 3)), IndexError::Length { got: 3, want: LEN, .. }));
    assert!(matches!(with(&|e| e.description.truncate(1)), IndexError::Length { .. }));
    assert!(matches!(with(&|e| e.description[0] = f32::NAN), IndexError::NotFinite { .. }));
    assert!(matches!(with(&|e| e.day.0 += 1), IndexError::Entry { .. }));
    assert!(matches!(with(&|e| e.last = e.first.plus_micros(-1)), IndexError::Entry { .. }));
    assert!(matches!(with(&|e| e.last = e.first.plus_micros(2 * HOUR)), IndexError::Entry { .. }));
    assert_eq!((index.len().unwrap(), index.applied_seq()), (0, 0));
    let other = Embedding::new(ModelDigest([1; 32]), appearance(1, LEN).into_values()).unwrap();
    assert!(matches!(index.search(&query(QueryVector::Appearance(other))), Err(IndexError::Model { .. })));
    assert!(matches!(index.search(&query(QueryVector::Description(vec![f32::NAN; 3]))), Err(IndexError::Length { .. })));
}

fn what_is_flushed_is_there_after_a_restart_and_synced_says_so(world: &World) {
    let index = world.open();
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 7).unwrap();
    assert_eq!((index.durable_seq(), index.applied_seq()), (0, 7));
    index.flush().unwrap();
    assert_eq!(index.durable_seq(), 7);
    drop(index);
    let index = world.open();
    assert_eq!((index.durable_seq(), index.len().unwrap(), index.days().unwrap().len()), (7, 2, 2));
    // And it can still be changed: the engine numbers its operations on.
    index.upsert(&[entry(1, 40, 0)], 8).unwrap();
    let best = index.search(&query(QueryVector::Appearance(appearance(40, LEN)))).unwrap()[0];
    assert_eq!(best.id, id(1));
    assert!((best.score - 1.0).abs() < 1e-5);
}

fn a_dropped_day_is_gone(world: &World) {
    let index = world.open();
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 2).unwrap();
    index.flush().unwrap();
    let day = entry(1, 1, 0).day;
    index.drop_day(day).unwrap();
    index.drop_day(day).unwrap();
    assert!(ids_on(&index, day).is_empty());
    assert_eq!(index.len().unwrap(), 1);
    let all = query(QueryVector::Appearance(appearance(1, LEN)));
    assert_eq!(index.search(&all).unwrap().iter().map(|s| s.id).collect::<Vec<_>>(), [id(2)]);
    drop(index);
    let index = world.open();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (1, 2));
    index.upsert(&[entry(1, 1, 0)], 3).unwrap();
    assert_eq!(ids_on(&index, day), [id(1)]);
}

fn a_day_keeps_what_a_purge_is_told_to_keep_and_goes_on(world: &World) {
    const N: u64 = 300;
    let index = world.open();
    let entries: Vec<_> = (0..N).map(|n| entry(n, n, 0)).collect();
    index.upsert(&entries, N).unwrap();
    index.flush().unwrap();
    let day = entries[0].day;
    let keep: BTreeSet<SightingId> = (0..N).filter(|n| n % 3 != 0).map(id).collect();
    assert_eq!(index.purge(day, &keep).unwrap(), N - keep.len() as u64);
    let look = |index: &VectorIndex| {
        assert_eq!(index.ids(day).unwrap(), keep.iter().copied().collect::<Vec<_>>());
        for vector in [QueryVector::Appearance(appearance(7, LEN)), QueryVector::Description(description(7))] {
            let q = IndexQuery { cameras: vec![camera(2), camera(3)], ..query(vector) };
            let left = entries.iter().filter(|e| keep.contains(&e.id));
            assert_best(&index.search(&q).unwrap(), &expected(left, &q), q.limit);
        }
    };
    look(&index);
    drop(index);
    let index = world.open();
    look(&index);
    assert_eq!(index.durable_seq(), N);
    index.upsert(&[entry(N, N, 0)], N + 1).unwrap();
    index.flush().unwrap();
    assert_eq!(index.ids(day).unwrap().len(), keep.len() + 1);
    assert_eq!(index.purge(day, &BTreeSet::new()).unwrap(), keep.len() as u64 + 1);
    assert!(index.days().unwrap().is_empty());
    assert_eq!(index.purge(day, &keep).unwrap(), 0, "a day that is not there");
}

fn searches_during_a_purge_see_all_that_is_kept(world: &World) {
    const N: u64 = 200;
    let index = world.open();
    let entries: Vec<_> = (0..N).map(|n| entry(n, n, 0)).collect();
    index.upsert(&entries, N).unwrap();
    let keep: BTreeSet<SightingId> = (0..N).filter(|n| n % 2 == 0).map(id).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let searches = scope.spawn(|| {
            let mut times = 0;
            while !done.load(Ordering::Relaxed) || times == 0 {
                let found = index.search(&query(QueryVector::Appearance(appearance(7, LEN)))).unwrap();
                let found: BTreeSet<_> = found.into_iter().map(|s| s.id).collect();
                assert!(keep.is_subset(&found), "{} of {} are seen", found.intersection(&keep).count(), keep.len());
                times += 1;
            }
        });
        for _ in 0..5 {
            index.purge(entries[0].day, &keep).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        searches.join().unwrap();
    });
    assert_eq!(index.len().unwrap(), keep.len());
}

fn models_live_beside_each_other_until_one_is_not_kept(world: &World) {
    let index = world.open();
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    index.flush().unwrap();
    let other = index::IndexSpec { model: ModelDigest([9; 32]), appearance_len: 3 };
    let beside = world.place.open(other).unwrap();
    assert!(beside.is_empty().unwrap());
    let mut of_other = entry(2, 2, 0);
    of_other.appearance = Embedding::new(other.model, vec![1.0, 0.0, 0.0]).unwrap();
    beside.upsert(&[of_other], 1).unwrap();
    assert_eq!((index.len().unwrap(), beside.len().unwrap()), (1, 1));
    drop(beside);
    world.place.keep_only(&[MODEL]).unwrap();
    let beside = world.place.open(other).unwrap();
    beside.ready().unwrap();
    assert_eq!((index.len().unwrap(), beside.len().unwrap(), beside.durable_seq()), (1, 0, 0));
}

fn an_index_that_is_made_again_is_empty_and_takes_everything_anew(world: &World) {
    let index = world.open();
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 2).unwrap();
    index.flush().unwrap();
    index.clear().unwrap();
    assert_eq!((index.len().unwrap(), index.durable_seq(), index.applied_seq(), index.days().unwrap().len()), (0, 0, 0, 0));
    index.upsert(&[entry(1, 1, 0)], 3).unwrap();
    index.flush().unwrap();
    drop(index);
    let index = world.open();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (1, 3));
    drop(index);
    let index = world.place.recreate(SPEC).unwrap();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (0, 0));
}

fn searching_changing_flushing_and_dropping_go_on_side_by_side(world: &World) {
    let index = world.open();
    let index = Arc::new(index);
    let rounds: u64 = if world.is_slow() { 12 } else { 60 };
    type Work = Box<dyn Fn(&VectorIndex, u64) + Send>;
    let run = |work: Work| {
        let index = Arc::clone(&index);
        thread::spawn(move || (0..rounds).for_each(|n| work(&index, n)))
    };
    let threads = [
        run(Box::new(|i, n| i.upsert(&[entry(n, n, (n as i64 % 3) * 24 * HOUR)], n).unwrap())),
        run(Box::new(|i, n| i.upsert(&[entry(n + 100, n, 0)], n).unwrap())),
        run(Box::new(|i, n| drop(i.search(&query(QueryVector::Appearance(appearance(n, LEN)))).unwrap()))),
        run(Box::new(|i, _| i.flush().unwrap())),
        run(Box::new(|i, n| i.drop_day(entry(0, 0, (n as i64 % 2 + 1) * 24 * HOUR).day).unwrap())),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
    let first = entry(0, 0, 0).day;
    assert_eq!(ids_on(&index, first).len() as u64, rounds / 3 + rounds);
}
