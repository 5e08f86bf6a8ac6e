//! One day of vectors: one Qdrant Edge shard. The only file that sees the engine.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    str::FromStr,
};

use parking_lot::RwLock;
use qdrant_edge::{
    AnyVariants, Condition, CountRequest, CreateIndex, Distance, EdgeConfig, EdgeShard, EdgeVectorParams, FieldCondition,
    FieldIndexOperations, Filter, HasIdCondition, IntegerIndexParams, JsonPath, KeywordIndexParams, Match, MatchAny, NamedQuery,
    OperationError, OperationResult, PayloadFieldSchema, PayloadSchemaParams, PointId, PointInsertOperations, PointOperations,
    PointStruct, QueryEnum, Range, ScrollRequest, SearchParams, SearchRequest, UpdateOperation, VectorInternal, Vectors,
    WalOptions, WithPayloadInterface, WithVector, external::ordered_float::OrderedFloat,
};
use serde_json::json;
use types::{Day, Description, SightingId};

use crate::{IndexEntry, IndexError, IndexQuery, QueryVector, Scored, error::EngineError, state::sync_folder};

const DESCRIPTION: &str = "description";
const APPEARANCE: &str = "appearance";
/// The engine's log is dead weight to us; small pieces let it be deleted soon. A record must fit several times over.
const LOG_PIECE_BYTES: usize = 4 << 20;
const IDS_PER_PAGE: usize = 10_000;
/// Points with their vectors copied at once.
const POINTS_PER_PAGE: usize = 256;

/// A bucket is searched by many and changed by one: the caller serialises changes and flushes.
#[derive(Debug)]
pub(crate) struct Bucket {
    day: Day,
    path: PathBuf,
    /// `None` once the day was dropped. Searches, changes and flushes read-lock; dropping, which the engine can't do beside
    /// them, write-locks.
    shard: RwLock<Option<EdgeShard>>,
}

impl Bucket {
    /// Makes a day's folder under a name that is ignored, and gives it its own when it is complete and on disk.
    pub(crate) fn create(folder: &Path, day: Day, appearance_len: usize) -> Result<Self, IndexError> {
        let path = folder.join(day.to_string());
        let (unfinished, shard) = new_shard(folder, day, appearance_len)?;
        // Which puts it on disk.
        close(shard).map_err(|source| IndexError::Engine { action: "create the bucket", day, source })?;
        let io = |source| IndexError::Io { action: "create", path: path.clone(), source };
        fs::rename(&unfinished, &path).map_err(io)?;
        sync_folder(folder).map_err(io)?;
        Self::load(folder, day, appearance_len)
    }

    pub(crate) fn load(folder: &Path, day: Day, appearance_len: usize) -> Result<Self, IndexError> {
        let path = folder.join(day.to_string());
        let shard = load_shard(&path, day, appearance_len)?;
        Ok(Self { day, path, shard: RwLock::new(Some(shard)) })
    }

    /// Writes the day anew with nothing but what is in it, on disk when it returns: what was removed before leaves no byte
    /// behind, in no segment and in no log. Searches see it before or after, never between; cut short, it is as before.
    pub(crate) fn rewrite(&self, folder: &Path, appearance_len: usize) -> Result<(), IndexError> {
        let day = self.day;
        let engine = |source| IndexError::Engine { action: "rewrite the bucket", day, source };
        let (fresh, shard) = new_shard(folder, day, appearance_len)?;
        let copied = self.copy_to(&shard);
        close(shard).map_err(engine)?;
        copied?;
        let io = |source| IndexError::Io { action: "replace", path: self.path.clone(), source };
        // Waits for the searches under way; those that come wait for us.
        let mut guard = self.shard.write();
        let Some(old) = guard.take() else { return Ok(()) };
        if let Err(error) = close(old) {
            tracing::warn!(%day, %error, "the engine did not close a bucket cleanly before it was replaced");
        }
        let swapped = exchange(&fresh, &self.path);
        *guard = Some(load_shard(&self.path, day, appearance_len)?);
        drop(guard);
        swapped.map_err(io)?;
        sync_folder(folder).map_err(io)?;
        remove_folder(&fresh).map_err(|source| IndexError::Io { action: "delete", path: fresh.clone(), source })?;
        sync_folder(folder).map_err(io)
    }

    fn copy_to(&self, fresh: &EdgeShard) -> Result<(), IndexError> {
        let mut offset = None;
        loop {
            let request = ScrollRequest {
                offset,
                limit: Some(POINTS_PER_PAGE),
                filter: None,
                with_payload: Some(WithPayloadInterface::Bool(true)),
                with_vector: WithVector::Bool(true),
                order_by: None,
            };
            let next = self.with("rewrite the bucket", None, |shard| {
                let (page, next) = shard.scroll(request)?;
                let points = page.into_iter().map(TryInto::try_into).collect::<Result<Vec<_>, _>>();
                let points = points.map_err(|error: String| OperationError::service_error(error))?;
                if !points.is_empty() {
                    let points = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
                    fresh.update(UpdateOperation::PointOperation(points))?;
                }
                Ok(next)
            })?;
            if next.is_none() {
                return Ok(());
            }
            offset = next;
        }
    }

    pub(crate) fn upsert(&self, entries: &[&IndexEntry]) -> Result<(), IndexError> {
        let points = entries.iter().map(|e| point(e).into()).collect();
        self.update("store sightings", PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)))
    }

    pub(crate) fn remove(&self, ids: &[SightingId]) -> Result<(), IndexError> {
        let ids = ids.iter().map(|id| PointId::Uuid(id.0)).collect();
        self.update("remove sightings", PointOperations::DeletePoints { ids })
    }

    fn update(&self, action: &'static str, operation: PointOperations) -> Result<(), IndexError> {
        self.with(action, (), |shard| shard.update(UpdateOperation::PointOperation(operation)))
    }

    /// Best first; equal scores by id.
    pub(crate) fn search(&self, query: &IndexQuery) -> Result<Vec<Scored>, IndexError> {
        let (space, values) = match &query.vector {
            QueryVector::Description(values) => (DESCRIPTION, values),
            QueryVector::Appearance(embedding) => (APPEARANCE, &embedding.values),
        };
        let request = SearchRequest {
            query: QueryEnum::Nearest(NamedQuery { query: VectorInternal::Dense(values.clone()), using: Some(space.to_owned()) }),
            filter: Some(filter(query, self.day)),
            params: Some(SearchParams { exact: true, ..SearchParams::default() }),
            limit: query.limit.min(IndexQuery::MAX_LIMIT),
            offset: 0,
            with_payload: None,
            with_vector: None,
            score_threshold: None,
        };
        let points = self.with("search", Vec::new(), |shard| shard.search(request))?;
        Ok(points.into_iter().filter_map(|p| sighting(p.id).map(|id| Scored { id, score: p.score })).collect())
    }

    pub(crate) fn ids(&self) -> Result<Vec<SightingId>, IndexError> {
        let mut ids = Vec::new();
        let mut offset = None;
        loop {
            let request = ScrollRequest {
                offset,
                limit: Some(IDS_PER_PAGE),
                filter: None,
                with_payload: Some(WithPayloadInterface::Bool(false)),
                with_vector: WithVector::Bool(false),
                order_by: None,
            };
            let (page, next) = self.with("list sightings", (Vec::new(), None), |shard| shard.scroll(request))?;
            ids.extend(page.into_iter().filter_map(|record| sighting(record.id)));
            if next.is_none() {
                return Ok(ids);
            }
            offset = next;
        }
    }

    pub(crate) fn len(&self) -> Result<usize, IndexError> {
        self.with("count sightings", 0, |shard| shard.count(CountRequest { filter: None, exact: true }))
    }

    /// Everything stored so far is on disk when it returns. Searches go on meanwhile: it can take seconds, and the engine
    /// locks nothing that they wait for.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        self.with("write to disk", (), |shard| {
            shard.flush();
            trim_log(&self.path.join("wal"));
            Ok(())
        })
    }

    /// Waits for the searches under way and lets go of the files without caring what was not flushed.
    pub(crate) fn close(&self) {
        if let Some(shard) = self.shard.write().take()
            && let Err(error) = close(shard)
        {
            tracing::warn!(day = %self.day, %error, "the engine did not close a bucket cleanly; it is caught up on the next start");
        }
    }

    /// Runs a call on the shard; `gone` is the answer of a day that was dropped meanwhile.
    fn with<T>(
        &self,
        action: &'static str,
        gone: T,
        call: impl FnOnce(&EdgeShard) -> OperationResult<T>,
    ) -> Result<T, IndexError> {
        match self.shard.read().as_ref() {
            Some(shard) => guarded(|| call(shard)).map_err(|source| IndexError::Engine { action, day: self.day, source }),
            None => Ok(gone),
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.close();
    }
}

/// An empty shard under a name that is ignored.
fn new_shard(folder: &Path, day: Day, appearance_len: usize) -> Result<(PathBuf, EdgeShard), IndexError> {
    let unfinished = folder.join(format!(".new-{day}"));
    let io = |action| {
        let path = unfinished.clone();
        move |source| IndexError::Io { action, path, source }
    };
    remove_folder(&unfinished).map_err(io("delete"))?;
    fs::create_dir_all(&unfinished).map_err(io("create"))?;
    let shard = guarded(|| {
        let shard = EdgeShard::new(&unfinished, config(appearance_len))?;
        for (field, schema) in payload_indexes() {
            shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
                field_name: field,
                field_schema: Some(PayloadFieldSchema::FieldParams(schema)),
            })))?;
        }
        Ok(shard)
    })
    .map_err(|source| IndexError::Engine { action: "create the bucket", day, source })?;
    Ok((unfinished, shard))
}

/// # Errors
/// [`IndexError::Damaged`] where what is there can't be trusted.
fn load_shard(path: &Path, day: Day, appearance_len: usize) -> Result<EdgeShard, IndexError> {
    let damaged = |source| IndexError::Damaged { day, path: path.to_owned(), source };
    // The engine takes a folder without segments for a new shard; here it can only be a loss.
    let has_segments = fs::read_dir(path.join("segments")).is_ok_and(|mut entries| entries.next().is_some());
    if !has_segments {
        return Err(damaged(EngineError("its segments are missing".to_owned())));
    }
    let shard = guarded(|| EdgeShard::load(path, Some(config(appearance_len)))).map_err(damaged)?;
    // Half a folder can load: what it is indexed by, and its points, must still be there.
    let look = guarded(|| {
        let known = shard.info().payload_schema;
        shard.count(CountRequest { filter: None, exact: true })?;
        Ok(payload_indexes().into_iter().find(|(field, _)| !known.contains_key(field)))
    });
    let fault = match look {
        Ok(None) => return Ok(shard),
        Ok(Some((field, _))) => EngineError(format!("its payload index {field} is missing")),
        Err(error) => error,
    };
    if let Err(error) = close(shard) {
        tracing::debug!(%day, %error, "the engine did not close a damaged bucket cleanly");
    }
    Err(damaged(fault))
}

/// The engine panics where it should fail; both become errors.
fn guarded<T>(call: impl FnOnce() -> OperationResult<T>) -> Result<T, EngineError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        // The engine's own text may carry a backtrace in Debug; Display has none.
        Ok(Err(error)) => Err(EngineError(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
            Err(EngineError(text.unwrap_or_else(|| "the engine panicked".to_owned())))
        }
    }
}

/// In one step, so that at no moment there is none, or half of one, under its name.
fn exchange(a: &Path, b: &Path) -> std::io::Result<()> {
    use rustix::{fs, io::Errno};
    match fs::renameat_with(fs::CWD, a, fs::CWD, b, fs::RenameFlags::EXCHANGE) {
        // A file system that can't. Cut short in between, the day is missing and the index is made again from the catalogue.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            let aside = a.with_extension("old");
            std::fs::rename(b, &aside)?;
            std::fs::rename(a, b)?;
            std::fs::rename(&aside, a)
        }
        other => Ok(other?),
    }
}

fn close(shard: EdgeShard) -> Result<(), EngineError> {
    guarded(|| {
        drop(shard);
        Ok(())
    })
}

pub(crate) fn remove_folder(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Deletes the closed pieces of the engine's log but the newest, which carries its numbering on.
fn trim_log(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("closed-")?.parse::<u64>().ok();
    let mut pieces: Vec<_> = entries.flatten().filter_map(|e| number(&e.path()).map(|n| (n, e.path()))).collect();
    pieces.sort_unstable();
    pieces.pop();
    for (_, path) in pieces {
        // The oldest first: if this is cut short, what is left is still contiguous.
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(%error, "could not delete an old piece of the engine's log");
            return;
        }
    }
}

fn config(appearance_len: usize) -> EdgeConfig {
    // Files of 32 MiB with holes in them. "On disk" maps them all the same; else they are read into memory when a day is
    // opened, the holes too: 68 MB a day that holds next to nothing.
    let vector = |len| EdgeVectorParams::builder(len, Distance::Dot).on_disk(true).build();
    EdgeConfig::builder()
        .vector(DESCRIPTION, vector(Description::VECTOR_LEN))
        .vector(APPEARANCE, vector(appearance_len))
        .on_disk_payload(true)
        .wal_options(WalOptions { segment_capacity: LOG_PIECE_BYTES, ..WalOptions::default() })
        .build()
}

fn path(field: &str) -> JsonPath {
    JsonPath::from_str(field).unwrap_or_else(|()| unreachable!("a plain word is a path"))
}

fn payload_indexes() -> [(JsonPath, PayloadSchemaParams); 5] {
    let keyword = |is_tenant| PayloadSchemaParams::Keyword(KeywordIndexParams { is_tenant, ..KeywordIndexParams::default() });
    let integer = || {
        PayloadSchemaParams::Integer(IntegerIndexParams {
            lookup: Some(false),
            range: Some(true),
            ..IntegerIndexParams::default()
        })
    };
    [
        (path("camera"), keyword(None)),
        (path("agency"), keyword(Some(true))),
        (path("class"), keyword(None)),
        (path("first"), integer()),
        (path("last"), integer()),
    ]
}

fn point(entry: &IndexEntry) -> PointStruct {
    PointStruct::new(
        PointId::Uuid(entry.id.0),
        Vectors::new_named([(DESCRIPTION, entry.description.clone()), (APPEARANCE, entry.appearance.values.clone())]),
        json!({
            "camera": entry.camera.as_str(),
            "agency": entry.agency.as_str(),
            "class": entry.class.as_str(),
            "first": entry.first.as_micros(),
            "last": entry.last.as_micros(),
        }),
    )
}

fn filter(query: &IndexQuery, day: Day) -> Filter {
    let any = |field: &str, words: Vec<String>| {
        let any = Match::Any(MatchAny { any: AnyVariants::Strings(words.into_iter().collect()) });
        Condition::Field(FieldCondition::new_match(path(field), any))
    };
    let range = |field: &str, range| Condition::Field(FieldCondition::new_range(path(field), range));
    let (from, to) = query.bounds();
    let mut must = vec![any("camera", query.cameras.iter().map(|c| c.as_str().to_owned()).collect())];
    // Every condition is asked of every point: none that all of a day meet is asked. All are first seen within the day.
    if to < Day(day.0 + 1).start().as_micros() {
        must.push(range("first", Range { lt: Some(OrderedFloat(to as f64)), ..Range::default() }));
    }
    if from > day.start().as_micros() {
        must.push(range("last", Range { gte: Some(OrderedFloat(from as f64)), ..Range::default() }));
    }
    if !query.classes.is_empty() {
        must.push(any("class", query.classes.iter().map(|c| c.as_str().to_owned()).collect()));
    }
    let excluded: HasIdCondition = query.exclude.iter().map(|id| PointId::Uuid(id.0)).collect();
    let must_not = (!query.exclude.is_empty()).then(|| vec![Condition::HasId(excluded)]);
    Filter { should: None, min_should: None, must: Some(must), must_not }
}

fn sighting(id: PointId) -> Option<SightingId> {
    match id {
        PointId::Uuid(uuid) => Some(SightingId(uuid)),
        PointId::NumId(_) => None,
    }
}
