//! What the crate costs over the engine's own calls: `cargo test --workspace --test index measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use qdrant_edge::{
    Distance, EdgeConfig, EdgeShard, EdgeVectorParams, NamedQuery, PointId, PointInsertOperations, PointOperations, PointStruct,
    QueryEnum, SearchParams, SearchRequest, UpdateOperation, VectorInternal, Vectors,
};
use types::Description;

use crate::support::*;
use index::{IndexEntry, IndexSpec, QueryVector, VectorIndex};

const LEN: usize = 256;
const COUNT: u64 = 20_000;
const BATCH: usize = 256;
const SEARCHES: u64 = 50;

#[test]
#[ignore = "measures"]
fn upsert_and_search_against_the_raw_engine() {
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

    let raw_dir = tempfile::tempdir().unwrap();
    let config = EdgeConfig::builder()
        .vector("description", EdgeVectorParams::builder(Description::VECTOR_LEN, Distance::Dot).build())
        .vector("appearance", EdgeVectorParams::builder(LEN, Distance::Dot).build())
        .build();
    let raw = EdgeShard::new(raw_dir.path(), config).unwrap();
    let raw_in = timed(|| {
        for chunk in entries.chunks(BATCH) {
            let points = chunk
                .iter()
                .map(|e| {
                    let vectors =
                        Vectors::new_named([("description", e.description.clone()), ("appearance", e.appearance.values.clone())]);
                    PointStruct::new(PointId::Uuid(e.id.0), vectors, serde_json::json!({})).into()
                })
                .collect();
            let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            raw.update(UpdateOperation::PointOperation(upsert)).unwrap();
        }
        raw.flush();
    });

    let mut q = query(QueryVector::Appearance(appearance(0, LEN)));
    q.limit = 50;
    let ours_out = timed(|| {
        for n in 0..SEARCHES {
            q.vector = QueryVector::Appearance(appearance(n, LEN));
            assert_eq!(index.search(&q).unwrap().len(), 50);
        }
    });
    let mut narrow = q.clone();
    (narrow.cameras, narrow.window) = (vec![camera(2)], window(2 * HOUR, 4 * HOUR));
    let ours_narrow = timed(|| {
        for n in 0..SEARCHES {
            narrow.vector = QueryVector::Appearance(appearance(n, LEN));
            assert!(!index.search(&narrow).unwrap().is_empty());
        }
    });
    let raw_out = timed(|| {
        for n in 0..SEARCHES {
            let vector = VectorInternal::Dense(appearance(n, LEN).values);
            let request = SearchRequest {
                query: QueryEnum::Nearest(NamedQuery { query: vector, using: Some("appearance".to_owned()) }),
                filter: None,
                params: Some(SearchParams { exact: true, ..SearchParams::default() }),
                limit: 50,
                offset: 0,
                with_payload: None,
                with_vector: None,
                score_threshold: None,
            };
            assert_eq!(raw.search(request).unwrap().len(), 50);
        }
    });
    let each = |d: Duration, n: u64| d.as_secs_f64() * 1e3 / n as f64;
    eprintln!("{COUNT} sightings of one day, {LEN} values, batches of {BATCH}, one thread");
    eprintln!(
        "upsert + flush: {:.3} ms each, raw without payload {:.3}, ratio {:.2}",
        each(ours_in, COUNT),
        each(raw_in, COUNT),
        ratio(ours_in, raw_in)
    );
    eprintln!(
        "search, every filter set but passing all: {:.2} ms, raw unfiltered {:.2}, ratio {:.2}",
        each(ours_out, SEARCHES),
        each(raw_out, SEARCHES),
        ratio(ours_out, raw_out)
    );
    eprintln!(
        "search, 1 camera in 2 of 20 hours: {:.2} ms, ratio to raw unfiltered {:.2}",
        each(ours_narrow, SEARCHES),
        ratio(ours_narrow, raw_out)
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn ratio(ours: Duration, raw: Duration) -> f64 {
    ours.as_secs_f64() / raw.as_secs_f64()
}
