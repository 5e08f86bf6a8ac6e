//! Keeps the index what the catalogue says. Every change reaches the index this one way, in the catalogue's order, so a
//! crash or a failed write is made good by the next [`IndexSync::catch_up`].

mod begin;
mod counts;
mod purge;
mod shared;
mod sharing;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use catalogue::{Catalogue, Change, Reason, SetAside, UnusableRow};
use index::{IndexEntry, IndexError, IndexLocation, IndexSpec, VectorIndex};
use tokio::{sync::Mutex, task::spawn_blocking};
use types::{Chain, Day, Embedding, SightingId};

pub use sharing::FED;

use crate::{error::SyncError, leadership::Leadership, reembedder::Reembedder};
use sharing::Sharing;

/// Changes read from the catalogue at once; each carries a vector of some kilobytes.
const BATCH: u32 = 512;

/// The index and what it takes to keep it right.
#[derive(Debug)]
pub struct IndexSync {
    catalogue: Catalogue,
    index: Arc<VectorIndex>,
    sharing: Sharing,
    /// One at a time: a later change must not be marked as taken before an earlier one is.
    exclusive: Mutex<()>,
    /// Sightings whose vectors another model made; they can't be compared and so are not in the index.
    other_model: AtomicU64,
    /// Sightings that it could not take.
    set_aside: AtomicU64,
    /// Nobody wants it any more: it takes nothing.
    retired: AtomicBool,
    /// It was held against the catalogue; not while a server that holds it was away from the start.
    validated: AtomicBool,
    /// `other_model` counts those of earlier runs as well.
    counted: AtomicBool,
    /// Makes vectors of such sightings from their crops, where somebody chose the model here.
    reembedder: Option<Arc<Reembedder>>,
}

impl IndexSync {
    /// Opens the index, or an empty one where what is there can't be trusted, and brings it up to date: `at_once`, or later,
    /// by whoever has the time; later also where a server that holds it is away. `reembedder` makes the vectors of sightings
    /// that another model has seen. Another server that feeds it already goes on with that.
    pub(crate) async fn open(
        catalogue: Catalogue,
        place: &IndexLocation,
        leadership: Leadership,
        spec: IndexSpec,
        reembedder: Option<Arc<Reembedder>>,
        at_once: bool,
    ) -> Result<Self, SyncError> {
        let (place, guard) = (place.clone(), leadership.write_guard());
        let index = blocking(move || match place.open_guarded(guard, spec) {
            Err(error) if error.is_rebuildable() => {
                tracing::warn!(%error, "index damaged: made again from the catalogue");
                place.recreate(spec)
            }
            opened => opened,
        })
        .await?;
        let feed = Self {
            catalogue,
            index: Arc::new(index),
            sharing: Sharing::new(leadership),
            exclusive: Mutex::default(),
            other_model: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            validated: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            reembedder,
        };
        match feed.begin(at_once).await {
            Err(error) if error.is_away() => {
                tracing::error!(error = %Chain(&error), "no search until the index server answers; sightings are stored meanwhile");
            }
            begun => begun?,
        }
        Ok(feed)
    }

    /// Takes nothing from now on; what it was taking, it has taken when this returns. Another server may feed it.
    pub(crate) async fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        drop(self.exclusive.lock().await);
        self.sharing.leadership.stop().await;
    }

    /// Held by whoever keeps it from taking anything.
    pub(crate) async fn exclusive(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.exclusive.lock().await
    }

    /// The index itself.
    pub fn index(&self) -> &Arc<VectorIndex> {
        &self.index
    }

    /// Takes every change that the index lacks; returns how many there were.
    pub(crate) async fn catch_up(&self) -> Result<u64, SyncError> {
        let _exclusive = self.exclusive.lock().await;
        self.catch_up_exclusively().await
    }

    async fn catch_up_exclusively(&self) -> Result<u64, SyncError> {
        let mut taken = 0;
        loop {
            let more = self.take_some(BATCH).await?;
            if more == 0 {
                if self.is_leader() && !self.counted.load(Ordering::Relaxed) && !self.retired.load(Ordering::Relaxed) {
                    self.count_others().await?;
                }
                return Ok(taken);
            }
            taken += more;
        }
    }

    /// Takes the next changes that the index lacks, at most `limit`; returns how many there were.
    pub(crate) async fn catch_up_some(&self, limit: u32) -> Result<u64, SyncError> {
        let _exclusive = self.exclusive.lock().await;
        self.take_some(limit).await
    }

    async fn take_some(&self, limit: u32) -> Result<u64, SyncError> {
        if self.retired.load(Ordering::Relaxed) {
            return Ok(0);
        }
        if !self.leads().await? {
            return Ok(0);
        }
        self.validate().await?;
        let shared = self.is_shared();
        // Before the changes: up to here there are no others.
        let numbered = if shared { self.catalogue.last_change().await? } else { 0 };
        let changes = self.catalogue.maintenance(Reason::Index).changes_since(self.index.applied_seq(), limit).await?;
        let Some(last) = changes.last().map(Change::seq) else {
            if numbered > self.index.applied_seq() {
                let index = self.index.clone();
                blocking(move || index.remove(&[], numbered)).await?;
            }
            if shared && self.is_news() {
                self.publish().await?;
            }
            return Ok(0);
        };
        let taken = changes.len() as u64;
        let spec = self.index.spec();
        let (mut puts, mut removed, mut aside) = (Vec::new(), Vec::new(), Vec::new());
        let mut again = self.vectors_of_others(&changes).await?;
        for change in changes {
            match change {
                Change::Put { seq, mut row } if row.embedding.model() != spec.model => match again.remove(&row.sighting.id) {
                    Some(embedding) => {
                        row.embedding = embedding;
                        puts.push((seq, IndexEntry::of(row.sighting, row.embedding)));
                    }
                    None => {
                        self.other_model.fetch_add(1, Ordering::Relaxed);
                        removed.push((row.sighting.day(), row.sighting.id));
                    }
                },
                Change::Put { seq, row } => puts.push((seq, IndexEntry::of(row.sighting, row.embedding))),
                Change::Unusable { seq, row } => {
                    removed.extend(row.id().map(|id| (row.day, id)));
                    aside.push(SetAside { row, seq });
                }
                Change::Removed { id, day, .. } => removed.push((day, id)),
            }
        }
        let mut taken_in = Vec::with_capacity(puts.len());
        for (seq, entry) in puts {
            // One that the index refuses keeps nothing else out.
            let Some(fault) = self.index.fault(&entry) else {
                taken_in.push(entry);
                continue;
            };
            removed.push((entry.day, entry.id));
            let row = UnusableRow { key: entry.id.0.as_bytes().to_vec(), day: entry.day, fault: fault.to_string() };
            aside.push(SetAside { row, seq });
        }
        let puts = taken_in;
        for SetAside { row, .. } in &aside {
            tracing::error!(sighting = row.subject(), fault = row.fault, "set aside: the index can't take the sighting");
        }
        self.catalogue.set_aside(spec.model, &aside).await?;
        if !aside.is_empty() || (!removed.is_empty() && self.set_aside() > 0) {
            self.count_set_aside().await?;
        }
        if shared {
            self.unconfirmed().extend(puts.iter().map(|entry| (entry.day, entry.id)));
        }
        let index = self.index.clone();
        blocking(move || {
            // A sighting is told once a batch, as it is now, so the order of the two does not matter; `last` counts
            // only when both are in.
            let before = index.applied_seq();
            index.remove(&removed, before)?;
            index.upsert(&puts, last)
        })
        .await?;
        self.confirm().await?;
        Ok(taken)
    }

    /// This index's own vectors of sightings that another model has seen.
    async fn vectors_of_others(&self, changes: &[Change]) -> Result<HashMap<SightingId, Embedding>, SyncError> {
        let (Some(reembedder), model) = (&self.reembedder, self.index.spec().model) else { return Ok(HashMap::new()) };
        let wanted: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Put { seq, row } if row.embedding.model() != model => Some((row.sighting.id, *seq)),
                _ => None,
            })
            .collect();
        Ok(reembedder.vectors(&self.catalogue, model, &wanted).await?.into_iter().collect())
    }

    /// Makes what was taken durable.
    pub(crate) async fn flush(&self) -> Result<(), SyncError> {
        // What is noted as taken must be, by whoever goes on from there.
        if !self.is_leader() || !self.publish().await? {
            return Ok(());
        }
        let index = self.index.clone();
        blocking(move || index.flush()).await?;
        self.publish().await.map(drop)
    }

    /// Whether searches see every change of the catalogue.
    pub(crate) async fn is_current(&self) -> Result<bool, SyncError> {
        let last = self.catalogue.last_change().await?;
        if !self.is_leader() {
            self.read_progress().await?;
        }
        Ok(self.applied_seq() >= last && self.other_model() == 0 && self.set_aside() == 0)
    }

    /// Forgets everything and takes it from the catalogue again; returns how many vectors there are.
    pub(crate) async fn rebuild(&self) -> Result<u64, SyncError> {
        let _exclusive = self.exclusive.lock().await;
        // What another feeds into the old one meanwhile is of no account.
        self.sharing.leadership.force_acquire().await?;
        let announced = self.catalogue.last_purge().await?;
        self.other_model.store(0, Ordering::Relaxed);
        let index = self.index.clone();
        blocking(move || index.clear()).await?;
        // Whatever was wrong with it.
        self.validated.store(true, Ordering::Relaxed);
        self.sharing.purged.fetch_max(announced, Ordering::Relaxed);
        self.catch_up_exclusively().await?;
        self.flush().await?;
        let index = self.index.clone();
        blocking(move || index.len().map(|n| n as u64)).await
    }

    /// Reads the index's files again and checks them.
    pub(crate) async fn verify(&self) -> Result<(), SyncError> {
        let index = self.index.clone();
        blocking(move || index.verify()).await
    }

    /// Every sighting in the index, by day.
    pub(crate) async fn ids_by_day(&self) -> Result<std::collections::BTreeMap<Day, Vec<SightingId>>, SyncError> {
        let index = self.index.clone();
        blocking(move || index.days()?.into_iter().map(|day| Ok((day, index.ids(day)?))).collect()).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, IndexError> + Send + 'static) -> Result<T, SyncError> {
    Ok(spawn_blocking(work).await.map_err(|_| SyncError::Thread)??)
}
