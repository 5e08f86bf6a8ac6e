//! What a search costs over the plainest scan of the same vectors in memory: `cargo test --workspace --test index measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use crate::support::*;
use index::{IndexEntry, IndexSpec, QueryVector, VectorIndex};

const LEN: usize = 256;
const COUNT: u64 = 20_000;
const BATCH: usize = 256;
const SEARCHES: u64 = 50;

#[test]
#[ignore = "measures"]
fn upsert_and_search_against_a_plain_scan() {
    let entries: Vec<IndexEntry> = (0..COUNT)
        .map(|n| {
            let mut e = entry(n, n, (n as i64 % 20) * HOUR);
            e.appearance = appearance(n, LEN);
            e
        })
        .collect();

    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), IndexSpec { model: MODEL, appearance_len: LEN }).unwrap();
    let ours_in = timed(|| {
        for (n, chunk) in entries.chunks(BATCH).enumerate() {
            index.upsert(chunk, n as u64).unwrap();
        }
        index.flush().unwrap();
    });

    let mut q = query(QueryVector::Appearance(appearance(0, LEN)));
    q.limit = 50;
    let ours_out = timed(|| {
        for n in 0..SEARCHES {
            q.vector = QueryVector::Appearance(appearance(n, LEN));
            assert_eq!(index.search(&q).unwrap().len(), 50);
        }
    });
    let mut narrow = q;
    (narrow.cameras, narrow.window) = (vec![camera(2)], window(2 * HOUR, 4 * HOUR));
    let ours_narrow = timed(|| {
        for n in 0..SEARCHES {
            narrow.vector = QueryVector::Appearance(appearance(n, LEN));
            assert!(!index.search(&narrow).unwrap().is_empty());
        }
    });
    let plain = timed(|| {
        for n in 0..SEARCHES {
            let wanted = appearance(n, LEN).values;
            let dot = |e: &IndexEntry| e.appearance.values.iter().zip(&wanted).map(|(a, b)| a * b).sum::<f32>();
            let mut scores: Vec<_> = entries.iter().map(dot).collect();
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            assert!(scores[49] <= scores[0]);
        }
    });

    let each = |d: Duration, n: u64| d.as_secs_f64() * 1e3 / n as f64;
    eprintln!("{COUNT} sightings of one day, {LEN} values, batches of {BATCH}; ratios to a plain scan of the vectors in memory");
    eprintln!("upsert + flush: {:.4} ms a sighting", each(ours_in, COUNT));
    let plain = each(plain, SEARCHES);
    for (what, ours) in [("the whole day, all cameras", ours_out), ("1 of 5 cameras in 2 of 20 hours", ours_narrow)] {
        let ours = each(ours, SEARCHES);
        eprintln!("search, top 50, {what}: {ours:.3} ms, {:.2}", ours / plain);
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
