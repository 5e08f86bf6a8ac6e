//! What is on the server, as far as it is known, and how shards and collections come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use qdrant_client::qdrant::PointStruct;
use types::{Day, SightingId};

use super::{
    super::{
        collections::{await_shard, create, create_shard, drop_collection, drop_shard, own, point_alias, shards, target},
        link::CallError,
        names::{self, ShardName},
        note::{self, Note},
        points::{copy, sighting},
    },
    POINTS_PER_CALL, Position, Remote,
    topology::{Shards, Topology},
};
use crate::IndexError;

impl Remote {
    pub(super) fn topology(&self) -> Result<Arc<Topology>, IndexError> {
        if let Some(known) = self.known.read().as_ref() {
            return Ok(Arc::clone(known));
        }
        let _structure = self.structure.lock();
        if let Some(known) = self.known.read().as_ref() {
            return Ok(Arc::clone(known));
        }
        let (known, synced) = self.learn()?;
        let mut position = self.position.lock();
        position.synced = synced;
        position.taken = position.taken.max(synced);
        drop(position);
        Ok(self.keep(known))
    }

    /// What there is after all, where `was` turned out not to be.
    pub(super) fn renewed(&self, was: &Arc<Topology>) -> Result<Arc<Topology>, IndexError> {
        let _structure = self.structure.lock();
        match self.known.read().as_ref() {
            Some(known) if !Arc::ptr_eq(known, was) => return Ok(Arc::clone(known)),
            _ => {}
        }
        let (known, synced) = self.learn()?;
        if known.collection != was.collection {
            // What was taken went into another.
            *self.position.lock() = Position { synced, taken: synced };
        }
        Ok(self.keep(known))
    }

    fn keep(&self, known: Topology) -> Arc<Topology> {
        let known = Arc::new(known);
        *self.known.write() = Some(Arc::clone(&known));
        self.topology_version.fetch_add(1, Ordering::Relaxed);
        known
    }

    /// Changes what is known of a day; whoever calls it holds `structure`.
    fn note_day(&self, day: Day, change: impl FnOnce(&mut Shards)) {
        let mut slot = self.known.write();
        if let Some(known) = slot.as_ref() {
            let mut known = Topology::clone(known);
            change(known.days.entry(day).or_default());
            known.days.retain(|_, shards| !shards.made.is_empty());
            *slot = Some(Arc::new(known));
            self.topology_version.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn learn(&self) -> Result<(Topology, u64), IndexError> {
        // What is asked about by others than who changes it may be half made.
        let ours = self.guard.may_write();
        let unmade = || {
            let (url, reason) = (self.link.settings().url.clone(), "the server that feeds it is making it just now".to_owned());
            IndexError::Away { action: "look for the index", url, reason }
        };
        if ours {
            note::prepare(&self.link)?;
        } else if !note::is_prepared(&self.link)? {
            return Err(unmade());
        }
        let note = note::read(&self.link, &self.spec)?;
        let (collection, synced) = match (target(&self.link, &self.alias)?, note) {
            (Some(collection), Some(note)) if collection == note.collection => (collection, note.synced),
            _ if !ours => return Err(unmade()),
            (None, None) => (self.make_collection(0)?, 0),
            (used, note) => {
                let of = |note: Note| format!("is not the one that is noted ({})", note.collection);
                let reason = note.map_or("says nowhere how far it is".to_owned(), of);
                return Err(IndexError::Collection { collection: used.unwrap_or_else(|| self.alias.clone()), reason });
            }
        };
        if ours {
            self.drop_before(&collection)?;
        }
        let mut days: BTreeMap<Day, Shards> = BTreeMap::new();
        for (shard, ready) in shards(&self.link, &collection)? {
            let day = days.entry(shard.day).or_insert_with(|| Shards { ready: true, ..Shards::default() });
            // Of the one that counts: they come in order.
            day.ready &= ready || !day.made.is_empty();
            day.made.insert(shard.made);
        }
        Ok((Topology { collection, days }, synced))
    }

    /// Drops what was to go when another collection took its place.
    fn drop_before(&self, collection: &str) -> Result<(), IndexError> {
        let Some((short, used)) = names::parse(&self.link.settings().name, collection) else { return Ok(()) };
        for (name, ..) in own(&self.link)?.into_iter().filter(|(_, model, made)| model == short && *made < used) {
            drop_collection(&self.link, &name)?;
        }
        Ok(())
    }

    /// Makes an empty collection and has it used. Cut short, the index is behind or made again, never ahead.
    fn make_collection(&self, made: u64) -> Result<String, IndexError> {
        let name = names::collection(&self.link.settings().name, self.spec.model, made);
        create(&self.link, &name, self.spec)?;
        note::write(&self.link, &self.spec, &Note { collection: name.clone(), synced: 0 }, true)?;
        point_alias(&self.link, &self.alias, &name)?;
        Ok(name)
    }

    /// Forgets everything, whatever state it is in: an empty collection takes the place of the one there is.
    pub(crate) fn clear(&self) -> Result<(), IndexError> {
        let (_writer, _structure) = (self.writer.lock(), self.structure.lock());
        self.guard.check("make the index anew")?;
        note::prepare(&self.link)?;
        let short = self.spec.model.short();
        let old: Vec<_> = own(&self.link)?.into_iter().filter(|(_, model, _)| *model == short).collect();
        let made = old.iter().map(|(_, _, made)| made + 1).max().unwrap_or(0);
        let collection = self.make_collection(made)?;
        self.keep(Topology { collection, days: BTreeMap::new() });
        *self.position.lock() = Position::default();
        for (name, ..) in old {
            drop_collection(&self.link, &name)?;
        }
        Ok(())
    }

    /// The shard of a day, made where there is none, that takes changes.
    pub(super) fn shard_or_new(&self, day: Day) -> Result<ShardName, CallError> {
        let known = self.topology()?;
        if let Some(shard) = known.shard(day).filter(|_| known.days[&day].ready) {
            return Ok(shard);
        }
        let _structure = self.structure.lock();
        let known = self.known.read().clone().unwrap_or(known);
        let shard = match known.shard(day) {
            Some(shard) => {
                await_shard(&self.link, &known.collection, shard)?;
                shard
            }
            None => {
                let shard = ShardName { day, made: 0 };
                self.guard.check("make a day's shard")?;
                create_shard(&self.link, &known.collection, shard)?;
                shard
            }
        };
        self.note_day(day, |shards| {
            shards.made.insert(shard.made);
            shards.ready = true;
        });
        Ok(shard)
    }

    /// A search that still knows them asks anew what there is.
    pub(super) fn drop_shards(&self, day: Day) -> Result<(), IndexError> {
        let known = self.topology()?;
        let _structure = self.structure.lock();
        let Some(made) = known.days.get(&day).map(|shards| shards.made.clone()) else { return Ok(()) };
        // The one that counts at last: cut short, none of the others comes to count.
        for made in made.into_iter().rev() {
            self.guard.check("drop a day's shard")?;
            drop_shard(&self.link, &known.collection, ShardName { day, made })?;
            self.note_day(day, |shards| {
                shards.made.remove(&made);
            });
        }
        Ok(())
    }

    /// As [`crate::VectorIndex::purge`]: what is kept is copied to a new shard, which takes the place of the old one, and that
    /// is dropped. Searches see either.
    pub(crate) fn purge(&self, day: Day, keep: &BTreeSet<SightingId>) -> Result<u64, IndexError> {
        let _writer = self.writer.lock();
        let ids = self.ids(day)?;
        let known = self.topology()?;
        let Some(old) = known.shard(day) else { return Ok(0) };
        let kept = ids.iter().filter(|id| keep.contains(id)).count();
        let gone = (ids.len() - kept) as u64;
        if kept == 0 {
            self.drop_shards(day)?;
            return Ok(gone);
        }
        let _structure = self.structure.lock();
        self.guard.check("write a day anew")?;
        // What a purge before this one left behind when it was cut off.
        for made in known.days[&day].made.iter().copied().filter(|made| *made != old.made) {
            drop_shard(&self.link, &known.collection, ShardName { day, made })?;
        }
        let fresh = ShardName { day, made: old.made + 1 };
        create_shard(&self.link, &known.collection, fresh)?;
        self.scroll(&[old], POINTS_PER_CALL as u32, true, |page| {
            let ours = |point: &PointStruct| sighting(point.id.as_ref()).is_some_and(|id| keep.contains(&id));
            let points: Vec<_> = page.into_iter().filter_map(copy).filter(ours).collect();
            if points.is_empty() { Ok(()) } else { self.put_into(fresh, points) }
        })?;
        self.note_day(day, |shards| {
            shards.made = BTreeSet::from([fresh.made]);
            shards.ready = true;
        });
        // By then another may have stored more in the old one.
        let dropped = self.guard.check("drop a day's shard").and_then(|()| drop_shard(&self.link, &known.collection, old));
        if let Err(error) = dropped {
            // As long as it is there it is the one that counts; it is asked anew what there is.
            *self.known.write() = None;
            return Err(error);
        }
        Ok(gone)
    }
}
