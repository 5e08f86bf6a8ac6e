mod structure;
mod topology;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use qdrant_client::qdrant::{
    CountPoints, DeletePoints, PointId, PointStruct, QuantizationSearchParams, QueryPoints, ScrollPoints, SearchParams, ShardKey,
    ShardKeySelector, UpsertPoints, VectorInput, WithPayloadSelector, WithVectorsSelector, query::Variant, vector_input,
    with_payload_selector, with_vectors_selector,
};
use types::{Day, SightingId};

use super::{
    collections::shard_key,
    create::seconds,
    link::{Again, CallError, Kind, Link},
    names::{self, ShardName},
    note::{self, Note},
    points::{APPEARANCE, DESCRIPTION, filter, point, point_id, sighting},
};
use crate::{IndexEntry, IndexError, IndexQuery, IndexSpec, QueryVector, Scored, WriteGuard};
use topology::Topology;

const POINTS_PER_CALL: usize = 256;
const IDS_PER_PAGE: u32 = 10_000;
/// Of the candidates that int8 vectors name, so many times more than asked for are compared by their originals.
const OVERSAMPLING: f64 = 3.0;
/// How often a call is made again because shards came and went meanwhile.
const RENEWED: u32 = 3;

/// The vectors of one model on a server.
#[derive(Debug)]
pub(crate) struct Remote {
    link: Arc<Link>,
    guard: WriteGuard,
    spec: IndexSpec,
    alias: String,
    /// Counts the changes of what is known.
    topology_version: AtomicU64,
    /// What the server is known to hold; `None` until it was asked.
    known: RwLock<Option<Arc<Topology>>>,
    /// Held by whoever asks what there is, or makes or drops some of it.
    structure: Mutex<()>,
    /// Serialises changes.
    writer: Mutex<()>,
    position: Mutex<Position>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    /// Noted on the server.
    synced: u64,
    taken: u64,
}

impl Remote {
    /// Asks nothing yet.
    pub(crate) fn new(link: Arc<Link>, guard: WriteGuard, spec: IndexSpec) -> Self {
        let alias = names::alias(&link.settings().name, spec.model);
        Self {
            link,
            guard,
            spec,
            alias,
            topology_version: AtomicU64::new(0),
            known: RwLock::default(),
            structure: Mutex::default(),
            writer: Mutex::default(),
            position: Mutex::default(),
        }
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.link.settings().exact
    }

    /// Asks the server what it holds, where that is not known yet.
    pub(crate) fn ready(&self) -> Result<(), IndexError> {
        self.topology().map(drop)
    }

    pub(crate) fn refresh_topology(&self) {
        let _structure = self.structure.lock();
        *self.known.write() = None;
        *self.position.lock() = Position::default();
    }

    pub(crate) fn topology_version(&self) -> u64 {
        self.topology_version.load(Ordering::Relaxed)
    }

    pub(crate) fn upsert(&self, by_day: BTreeMap<Day, Vec<&IndexEntry>>, up_to: u64) -> Result<(), IndexError> {
        let _writer = self.writer.lock();
        for (day, entries) in by_day {
            for chunk in entries.chunks(POINTS_PER_CALL) {
                let points: Vec<_> = chunk.iter().map(|entry| point(entry)).collect();
                self.put(day, &points)?;
            }
        }
        self.take(up_to);
        Ok(())
    }

    fn put(&self, day: Day, points: &[PointStruct]) -> Result<(), IndexError> {
        let mut left = RENEWED;
        loop {
            let known = self.topology()?;
            let put = self.shard_or_new(day).and_then(|shard| self.put_into(shard, points.to_vec()));
            left -= 1;
            match put {
                // Somebody else dropped the day, or wrote it or everything anew.
                Err(CallError { kind: Kind::Missing, .. }) if left > 0 => drop(self.renewed(&known)?),
                other => return Ok(other?),
            }
        }
    }

    fn put_into(&self, shard: ShardName, points: Vec<PointStruct>) -> Result<(), CallError> {
        self.guard.check("store sightings")?;
        let request = UpsertPoints {
            collection_name: self.alias.clone(),
            wait: Some(true),
            points,
            shard_key_selector: Some(only(&[shard])),
            timeout: seconds(self.link.settings().timeout),
            ..UpsertPoints::default()
        };
        self.link.call("store sightings", Again::Idempotent, request, |client, request| async move {
            client.upsert_points(request).await
        })?;
        Ok(())
    }

    pub(crate) fn remove(&self, by_day: BTreeMap<Day, Vec<SightingId>>, up_to: u64) -> Result<(), IndexError> {
        let _writer = self.writer.lock();
        self.guard.check("remove sightings")?;
        self.delete(by_day)?;
        self.take(up_to);
        Ok(())
    }

    pub(crate) fn withdraw(&self, by_day: BTreeMap<Day, Vec<SightingId>>) -> Result<(), IndexError> {
        let _writer = self.writer.lock();
        self.delete(by_day)
    }

    fn delete(&self, by_day: BTreeMap<Day, Vec<SightingId>>) -> Result<(), IndexError> {
        for (day, ids) in by_day {
            for chunk in ids.chunks(POINTS_PER_CALL) {
                let points: Vec<PointId> = chunk.iter().map(|id| point_id(*id)).collect();
                self.ask(
                    (),
                    |known| known.shards(day..=day),
                    |shards| {
                        let request = DeletePoints {
                            collection_name: self.alias.clone(),
                            wait: Some(true),
                            points: Some(points.clone().into()),
                            shard_key_selector: Some(only(shards)),
                            timeout: seconds(self.link.settings().timeout),
                            ..DeletePoints::default()
                        };
                        self.link.call("remove sightings", Again::Idempotent, request, |client, request| async move {
                            client.delete_points(request).await
                        })?;
                        Ok(())
                    },
                )?;
            }
        }
        Ok(())
    }

    fn take(&self, up_to: u64) {
        let mut position = self.position.lock();
        position.taken = position.taken.max(up_to);
    }

    /// Best first; equal scores in any order. Where no shard can hold a match nothing is asked.
    pub(crate) fn search(&self, query: &IndexQuery) -> Result<Vec<Scored>, IndexError> {
        let (space, values) = match &query.vector {
            QueryVector::Description(values) => (DESCRIPTION, values.as_slice()),
            QueryVector::Appearance(embedding) => (APPEARANCE, embedding.values()),
        };
        let nearest = VectorInput { variant: Some(vector_input::Variant::Dense(values.to_vec().into())) };
        let exact = self.is_exact();
        let request = QueryPoints {
            collection_name: self.alias.clone(),
            query: Some(qdrant_client::qdrant::Query { variant: Some(Variant::Nearest(nearest)) }),
            using: Some(space.to_owned()),
            filter: Some(filter(query)),
            params: Some(SearchParams {
                exact: Some(exact),
                quantization: Some(QuantizationSearchParams {
                    ignore: Some(exact),
                    rescore: Some(true),
                    oversampling: (!exact).then_some(OVERSAMPLING),
                }),
                ..SearchParams::default()
            }),
            limit: Some(query.limit.min(IndexQuery::MAX_LIMIT) as u64),
            timeout: seconds(self.link.settings().timeout),
            ..QueryPoints::default()
        };
        self.ask(
            Vec::new(),
            |known| known.shards(query.days()),
            |shards| {
                let request = QueryPoints { shard_key_selector: Some(only(shards)), ..request.clone() };
                let found = self
                    .link
                    .call("search", Again::Idempotent, request, |client, request| async move { client.query(request).await })?;
                let scored =
                    |p: qdrant_client::qdrant::ScoredPoint| Some(Scored { id: sighting(p.id.as_ref())?, score: p.score });
                Ok(found.result.into_iter().filter_map(scored).collect())
            },
        )
    }

    /// Asks about the shards that `which` names, again where those are not there any more; `none` where it names none.
    fn ask<T>(
        &self,
        none: T,
        which: impl Fn(&Topology) -> Vec<ShardName>,
        call: impl Fn(&[ShardName]) -> Result<T, CallError>,
    ) -> Result<T, IndexError> {
        let mut known = self.topology()?;
        let mut left = RENEWED;
        loop {
            let asked = which(&known);
            if asked.is_empty() {
                return Ok(none);
            }
            match call(&asked) {
                Err(CallError { kind: Kind::Missing, error }) => {
                    known = self.renewed(&known)?;
                    left -= 1;
                    if left == 0 || which(&known) == asked {
                        return Err(error);
                    }
                }
                other => return Ok(other?),
            }
        }
    }

    /// Notes on the server what was taken; every change before it is there already.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        let _writer = self.writer.lock();
        let Position { synced, taken } = *self.position.lock();
        if synced == taken {
            return Ok(());
        }
        let collection = self.topology()?.collection.clone();
        self.guard.check("note how far the index is")?;
        note::write(&self.link, &self.spec, &Note { collection, synced: taken }, false)?;
        self.position.lock().synced = taken;
        Ok(())
    }

    pub(crate) fn durable_seq(&self) -> u64 {
        self.position.lock().synced
    }

    pub(crate) fn applied_seq(&self) -> u64 {
        self.position.lock().taken
    }

    pub(crate) fn days(&self) -> Result<Vec<Day>, IndexError> {
        Ok(self.topology()?.days.keys().copied().collect())
    }

    pub(crate) fn ids(&self, day: Day) -> Result<Vec<SightingId>, IndexError> {
        self.ask(
            Vec::new(),
            |known| known.shards(day..=day),
            |shards| {
                let mut ids = Vec::new();
                self.scroll(shards, IDS_PER_PAGE, false, |page| {
                    ids.extend(page.iter().filter_map(|point| sighting(point.id.as_ref())));
                    Ok(())
                })?;
                Ok(ids)
            },
        )
    }

    fn scroll(
        &self,
        shards: &[ShardName],
        page: u32,
        whole: bool,
        mut each: impl FnMut(Vec<qdrant_client::qdrant::RetrievedPoint>) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let mut offset = None;
        loop {
            let request = ScrollPoints {
                collection_name: self.alias.clone(),
                offset,
                limit: Some(page),
                with_payload: Some(WithPayloadSelector {
                    selector_options: Some(with_payload_selector::SelectorOptions::Enable(whole)),
                }),
                with_vectors: Some(WithVectorsSelector {
                    selector_options: Some(with_vectors_selector::SelectorOptions::Enable(whole)),
                }),
                shard_key_selector: Some(only(shards)),
                timeout: seconds(self.link.settings().timeout),
                ..ScrollPoints::default()
            };
            let read = self.link.call("list sightings", Again::Idempotent, request, |client, request| async move {
                client.scroll(request).await
            })?;
            each(read.result)?;
            offset = read.next_page_offset;
            if offset.is_none() {
                return Ok(());
            }
        }
    }

    pub(crate) fn len(&self) -> Result<usize, IndexError> {
        self.ask(
            0,
            |known| known.shards(..),
            |shards| {
                let request = CountPoints {
                    collection_name: self.alias.clone(),
                    exact: Some(true),
                    shard_key_selector: Some(only(shards)),
                    timeout: seconds(self.link.settings().timeout),
                    ..CountPoints::default()
                };
                let counted = self.link.call("count sightings", Again::Idempotent, request, |client, request| async move {
                    client.count(request).await
                })?;
                Ok(counted.result.map_or(0, |r| r.count as usize))
            },
        )
    }

    pub(crate) fn drop_day(&self, day: Day) -> Result<(), IndexError> {
        let _writer = self.writer.lock();
        self.drop_shards(day)
    }
}

fn only(shards: &[ShardName]) -> ShardKeySelector {
    let shard_keys: Vec<ShardKey> = shards.iter().copied().map(shard_key).collect();
    ShardKeySelector { shard_keys, fallback: None }
}
