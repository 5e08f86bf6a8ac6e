//! What the crate costs over the engine's own calls: `cargo test --workspace --test index measure -- --ignored --nocapture`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use qdrant_edge::{
    AnyVariants, Condition, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeVectorParams, FieldCondition, FieldIndexOperations,
    Filter, Match, MatchAny, NamedQuery, PayloadFieldSchema, PayloadSchemaType, PointId, PointInsertOperations, PointOperations,
    PointStruct, QueryEnum, SearchParams, SearchRequest, UpdateOperation, VectorInternal, Vectors,
};
use serde_json::json;
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

    // The engine with nothing but vectors, and with what we ask of it.
    let (plain_dir, same_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plain, same) = (raw_shard(plain_dir.path(), false), raw_shard(same_dir.path(), true));
    let plain_in = timed(|| raw_upsert(&plain, &entries, false));
    let same_in = timed(|| raw_upsert(&same, &entries, true));

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
    let raw_search = |shard: &EdgeShard, filter: Option<Filter>| {
        for n in 0..SEARCHES {
            let vector = VectorInternal::Dense(appearance(n, LEN).values);
            let request = SearchRequest {
                query: QueryEnum::Nearest(NamedQuery { query: vector, using: Some("appearance".to_owned()) }),
                filter: filter.clone(),
                params: Some(SearchParams { exact: true, ..SearchParams::default() }),
                limit: 50,
                offset: 0,
                with_payload: None,
                with_vector: None,
                score_threshold: None,
            };
            assert_eq!(shard.search(request).unwrap().len(), 50);
        }
    };
    let plain_out = timed(|| raw_search(&plain, None));
    let cameras = AnyVariants::Strings(all_cameras().iter().map(|c| c.as_str().to_owned()).collect());
    let condition = FieldCondition::new_match("camera".parse().unwrap(), Match::Any(MatchAny { any: cameras }));
    let same_out = timed(|| raw_search(&same, Some(Filter::new_must(Condition::Field(condition)))));

    let each = |d: Duration, n: u64| d.as_secs_f64() * 1e3 / n as f64;
    eprintln!("{COUNT} sightings of one day, {LEN} values, batches of {BATCH}, one thread; ratios to the engine's own call,");
    eprintln!("with the same payload, indexes and filter / with vectors alone");
    let (ours, same, plain) = (each(ours_in, COUNT), each(same_in, COUNT), each(plain_in, COUNT));
    eprintln!("upsert + flush: {ours:.3} ms a sighting, {:.2} / {:.2}", ours / same, ours / plain);
    let (ours, same, plain) = (each(ours_out, SEARCHES), each(same_out, SEARCHES), each(plain_out, SEARCHES));
    eprintln!("search, top 50, the whole day, all cameras: {ours:.2} ms, {:.2} / {:.2}", ours / same, ours / plain);
    let narrow = each(ours_narrow, SEARCHES);
    eprintln!("search, top 50, 1 of 5 cameras in 2 of 20 hours: {narrow:.2} ms, - / {:.2}", narrow / plain);
}

fn raw_shard(dir: &Path, indexed: bool) -> EdgeShard {
    let config = EdgeConfig::builder()
        .vector("description", EdgeVectorParams::builder(Description::VECTOR_LEN, Distance::Dot).build())
        .vector("appearance", EdgeVectorParams::builder(LEN, Distance::Dot).build())
        .build();
    let shard = EdgeShard::new(dir, config).unwrap();
    let fields = ["camera", "agency", "class", "first", "last"];
    for (n, field) in fields.iter().enumerate().filter(|_| indexed) {
        let schema = if n < 3 { PayloadSchemaType::Keyword } else { PayloadSchemaType::Integer };
        let create =
            CreateIndex { field_name: field.parse().unwrap(), field_schema: Some(PayloadFieldSchema::FieldType(schema)) };
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create))).unwrap();
    }
    shard
}

fn raw_upsert(shard: &EdgeShard, entries: &[IndexEntry], payload: bool) {
    for chunk in entries.chunks(BATCH) {
        let points = chunk
            .iter()
            .map(|e| {
                let vectors =
                    Vectors::new_named([("description", e.description.clone()), ("appearance", e.appearance.values.clone())]);
                let payload = if payload {
                    json!({"camera": e.camera.as_str(), "agency": e.agency.as_str(), "class": e.class.as_str(),
                           "first": e.first.as_micros(), "last": e.last.as_micros()})
                } else {
                    json!({})
                };
                PointStruct::new(PointId::Uuid(e.id.0), vectors, payload).into()
            })
            .collect();
        let upsert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
        shard.update(UpdateOperation::PointOperation(upsert)).unwrap();
    }
    shard.flush();
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
