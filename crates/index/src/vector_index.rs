use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use flat_index::FlatIndex;
use types::{Day, SightingId};

use crate::{
    IndexEntry, IndexError, IndexQuery, IndexSpec, Scored, WriteGuard,
    server::{Link, Remote},
};

/// The vectors of one deployment. Blocking; share it by reference or `Arc` and call it from `spawn_blocking`.
#[derive(Debug)]
pub struct VectorIndex {
    spec: IndexSpec,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Folder(FlatIndex),
    Server(Remote),
}

/// Asks the one there is.
macro_rules! engine {
    ($self:ident, $engine:ident => $ask:expr) => {
        match &$self.engine {
            Engine::Folder($engine) => $ask,
            Engine::Server($engine) => $ask,
        }
    };
}

impl VectorIndex {
    /// Opens or makes the index of `spec.model` under `dir`.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] or [`IndexError::State`] where the folder can't be trusted: see [`Self::recreate`].
    pub fn open(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        Ok(Self { spec, engine: Engine::Folder(FlatIndex::open(dir, spec)?) })
    }

    /// Throws away whatever is there, damaged or not, and opens an empty index: the first step of a rebuild.
    ///
    /// # Errors
    /// [`IndexError::InUse`] and [`IndexError::Io`].
    pub fn recreate(dir: &Path, spec: IndexSpec) -> Result<Self, IndexError> {
        Ok(Self { spec, engine: Engine::Folder(FlatIndex::recreate(dir, spec)?) })
    }

    pub(crate) fn on(link: Arc<Link>, guard: WriteGuard, spec: IndexSpec) -> Self {
        Self { spec, engine: Engine::Server(Remote::new(link, guard, spec)) }
    }

    /// What it holds.
    pub fn spec(&self) -> IndexSpec {
        self.spec
    }

    /// Whether a search compares every vector that its filter lets through, so that nothing that matches is missed.
    pub fn is_exact(&self) -> bool {
        match &self.engine {
            Engine::Folder(_) => true,
            Engine::Server(remote) => remote.is_exact(),
        }
    }

    /// Learns what a server holds, where that is not known yet; until then [`Self::durable_seq`] and [`Self::applied_seq`] are 0. Every
    /// other call does so by itself.
    ///
    /// # Errors
    /// [`IndexError::is_rebuildable`] where what is there can't be trusted: see [`Self::clear`].
    pub fn ready(&self) -> Result<(), IndexError> {
        match &self.engine {
            Engine::Folder(_) => Ok(()),
            Engine::Server(remote) => remote.ready(),
        }
    }

    /// Asks a server again what it holds, with the next call that needs it: others may have changed it.
    pub fn refresh_topology(&self) {
        if let Engine::Server(remote) = &self.engine {
            remote.refresh_topology();
        }
    }

    /// Another number after a day has come or gone; [`Self::refresh_topology`] wherever else the index is open.
    pub fn topology_version(&self) -> u64 {
        match &self.engine {
            Engine::Folder(_) => 0,
            Engine::Server(remote) => remote.topology_version(),
        }
    }

    /// Why [`Self::upsert`] would refuse an entry, if it would.
    pub fn fault(&self, entry: &IndexEntry) -> Option<IndexError> {
        entry.validate(self.spec.model, self.spec.appearance_len).err()
    }

    /// Adds or replaces. `up_to` is the catalogue's number of the last change in (or before) this batch. Safe only after
    /// [`Self::flush`].
    ///
    /// # Errors
    /// An entry of another model, length or shape refuses the whole batch and changes nothing.
    pub fn upsert(&self, entries: &[IndexEntry], up_to: u64) -> Result<(), IndexError> {
        for entry in entries {
            entry.validate(self.spec.model, self.spec.appearance_len)?;
        }
        let mut latest: BTreeMap<Day, BTreeMap<SightingId, &IndexEntry>> = BTreeMap::new();
        for entry in entries {
            // The last of equal ids wins, as if they had come one by one.
            latest.entry(entry.day).or_default().insert(entry.id, entry);
        }
        let by_day = latest.into_iter().map(|(day, entries)| (day, entries.into_values().collect())).collect();
        engine!(self, engine => engine.upsert(by_day, up_to))
    }

    /// Forgets sightings; those not there are no error. See [`Self::upsert`] for `up_to`.
    ///
    /// # Errors
    /// [`IndexError::NotOurs`] without the right to write, else what the disk or the server says. Nothing counts as taken then.
    pub fn remove(&self, ids: &[(Day, SightingId)], up_to: u64) -> Result<(), IndexError> {
        engine!(self, engine => engine.remove(by_day(ids), up_to))
    }

    /// Takes back what was put without the right to write: sightings that the catalogue does not have, whoever changes the
    /// index by now.
    ///
    /// # Errors
    /// What the disk or the server says.
    pub fn withdraw(&self, ids: &[(Day, SightingId)]) -> Result<(), IndexError> {
        match &self.engine {
            Engine::Folder(_) => self.remove(ids, 0),
            Engine::Server(remote) => remote.withdraw(by_day(ids)),
        }
    }

    /// The best `limit` sightings under the filter, best first, equal scores by id. A filter that nothing can match is answered
    /// without looking.
    ///
    /// # Errors
    /// [`IndexError::Model`], [`IndexError::Length`] or [`IndexError::NotFinite`] for a vector that is not of this index, else what the disk
    /// or the server says.
    pub fn search(&self, query: &IndexQuery) -> Result<Vec<Scored>, IndexError> {
        query.validate(self.spec.model, self.spec.appearance_len)?;
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = match &self.engine {
            Engine::Folder(flat) => flat.search(query),
            Engine::Server(remote) => remote.search(query)?,
        };
        found.sort_unstable_by(Scored::better_first);
        found.truncate(query.limit);
        Ok(found)
    }

    /// Makes every change taken so far last, then says so in [`Self::durable_seq`].
    ///
    /// # Errors
    /// What the disk or the server says; [`Self::durable_seq`] stays as it was then.
    pub fn flush(&self) -> Result<(), IndexError> {
        engine!(self, engine => engine.flush())
    }

    /// Reads every file again and checks it; nothing where a server holds the index, which does that by itself.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where a file is not what was written.
    pub fn verify(&self) -> Result<(), IndexError> {
        match &self.engine {
            Engine::Folder(flat) => flat.verify(),
            Engine::Server(_) => Ok(()),
        }
    }

    /// Every change of the catalogue up to this number is in it for good, as of the last flush.
    pub fn durable_seq(&self) -> u64 {
        engine!(self, engine => engine.durable_seq())
    }

    /// Every change of the catalogue up to this number was taken and is seen by searches.
    pub fn applied_seq(&self) -> u64 {
        engine!(self, engine => engine.applied_seq())
    }

    /// The days that have a bucket, in order.
    ///
    /// # Errors
    /// What the disk or the server says.
    pub fn days(&self) -> Result<Vec<Day>, IndexError> {
        match &self.engine {
            Engine::Folder(flat) => Ok(flat.days()),
            Engine::Server(remote) => remote.days(),
        }
    }

    /// The sightings of a day, in order; none where it has no bucket.
    ///
    /// # Errors
    /// What the disk or the server says.
    pub fn ids(&self, day: Day) -> Result<Vec<SightingId>, IndexError> {
        let mut ids = match &self.engine {
            Engine::Folder(flat) => flat.ids(day),
            Engine::Server(remote) => remote.ids(day)?,
        };
        ids.sort_unstable();
        Ok(ids)
    }

    /// How many sightings there are.
    ///
    /// # Errors
    /// What the disk or the server says.
    pub fn len(&self) -> Result<usize, IndexError> {
        match &self.engine {
            Engine::Folder(flat) => Ok(flat.count()),
            Engine::Server(remote) => remote.len(),
        }
    }

    /// Whether there is no sighting in it.
    ///
    /// # Errors
    /// What the disk or the server says.
    pub fn is_empty(&self) -> Result<bool, IndexError> {
        Ok(self.len()? == 0)
    }

    /// Forgets a day, files included. It is done when it returns; no error where there is none.
    ///
    /// # Errors
    /// [`IndexError::NotOurs`] without the right to write, else what the disk or the server says.
    pub fn drop_day(&self, day: Day) -> Result<(), IndexError> {
        engine!(self, engine => engine.drop_day(day))
    }

    /// Makes a day what it would be had it never held but `keep`: what else is in it is removed with the files it was in, and so
    /// is what was removed before. Nothing to keep drops the day. Returns how many were removed.
    ///
    /// # Errors
    /// As [`Self::drop_day`]; the day is as it was then.
    pub fn purge(&self, day: Day, keep: &BTreeSet<SightingId>) -> Result<u64, IndexError> {
        engine!(self, engine => engine.purge(day, keep))
    }

    /// Forgets everything and starts again at 0.
    ///
    /// # Errors
    /// As [`Self::drop_day`].
    pub fn clear(&self) -> Result<(), IndexError> {
        engine!(self, engine => engine.clear())
    }
}

fn by_day(ids: &[(Day, SightingId)]) -> BTreeMap<Day, Vec<SightingId>> {
    let mut by_day: BTreeMap<Day, Vec<SightingId>> = BTreeMap::new();
    for &(day, id) in ids {
        by_day.entry(day).or_default().push(id);
    }
    by_day
}
