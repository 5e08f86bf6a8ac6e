//! The record commits to what was seen: each batch of sightings that is stored is one entry with a Merkle root over them, in the
//! transaction of the rows. What is replaced or deleted is told in an entry too, so that a row that is missing is noticed.
//!
//! See [`access::seen`] for what a leaf is made of, [`check`] for how rows, crops and vectors are held against it.

mod check;
mod leaf;
mod place;
pub(crate) mod prove;

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use access::{
    Action, AuditDetail, AuditEntry, Outcome, Phase, Seen,
    log::{Hash, batch_root},
    seen::{Digests, Salts, crop_digest},
};
use sqlx::{AssertSqlSafe, Row as _};
use types::{Day, ReceiveTime, SightingId};

pub(crate) use leaf::{Leaf, broken, kept, leaf_at, leaves_of, vector_of};
pub(crate) use place::Place;

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Lock, Tx, in_lists},
    record::audit::append_in,
    row::id,
    sightings::row::{Before, is_ours, sighting},
};

/// Runs of leaves that one entry says are gone: far below what an entry may be long.
const RUNS: usize = 1_000;
/// Sightings that are committed to together as they were found.
const FOUND_AT_ONCE: i64 = 128;

/// Entries that are in the record once the transaction is.
#[must_use = "whoever follows the record is told after the commit"]
#[derive(Default)]
pub(crate) struct Committed {
    pub(crate) entries: Vec<(u64, AuditEntry)>,
}

impl Committed {
    /// The batch that was committed to.
    pub(crate) fn batch(&self) -> i64 {
        self.entries.first().map_or(0, |(seq, _)| seq.cast_signed())
    }
}

impl Catalogue {
    /// Writes to the record, and beside it, that these are there from now on in their order, and those of `gone` no more.
    /// `uncommitted`: how many of what is replaced, or committed to here, nothing committed to before.
    pub(crate) async fn commit_seen(
        &self,
        tx: &mut Tx,
        leaves: &[Hash],
        mut gone: Vec<Place>,
        uncommitted: usize,
        found: bool,
    ) -> Result<Committed, CatalogueError> {
        let mut committed = Committed::default();
        if leaves.is_empty() && gone.is_empty() {
            return Ok(committed);
        }
        self.lock_in(tx, Lock::Record).await?;
        gone.sort_unstable();
        gone.dedup();
        let runs = runs(&gone);
        let mut seen = Seen { found, ..Seen::default() };
        if !leaves.is_empty() {
            seen.root = Some(batch_root(leaves).map_err(broken)?.0.iter().map(|b| format!("{b:02x}")).collect());
            seen.count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
            let known = self.recorded().whole().is_some();
            seen.whole = !known && uncommitted_is(tx, uncommitted).await?;
        }
        let mut runs = runs.chunks(RUNS);
        seen.gone = runs.next().unwrap_or_default().to_vec();
        committed.entries.push(append_in(tx, entry(seen)).await?);
        for more in runs {
            committed.entries.push(append_in(tx, entry(Seen { gone: more.to_vec(), ..Seen::default() })).await?);
        }
        if !leaves.is_empty() {
            sqlx::query("INSERT INTO commitment (entry, leaves) VALUES ($1, $2)")
                .bind(committed.batch())
                .bind(leaves.iter().flat_map(|leaf| leaf.0).collect::<Vec<u8>>())
                .execute(&mut **tx)
                .await?;
        }
        forget(tx, &gone).await?;
        Ok(committed)
    }

    /// What is stored is there from now on, and what it replaces is not any more.
    pub(crate) async fn commit_stored(
        &self,
        tx: &mut Tx,
        leaves: Vec<Hash>,
        before: impl Iterator<Item = &Before>,
    ) -> Result<Committed, CatalogueError> {
        let replaced: Vec<_> = before.map(|before| before.place).collect();
        let uncommitted = replaced.iter().filter(|place| place.is_none()).count();
        self.commit_seen(tx, &leaves, replaced.into_iter().flatten().collect(), uncommitted, false).await
    }

    /// These are deleted.
    pub(crate) async fn commit_gone(&self, tx: &mut Tx, gone: Vec<Place>) -> Result<Committed, CatalogueError> {
        self.commit_seen(tx, &[], gone, 0, false).await
    }

    /// The crops among these that take the place of another one: until the row is committed that one is the sighting's, so the
    /// new one is written beside it.
    pub(crate) async fn crops_to_replace(
        &self,
        leaves: &HashMap<SightingId, Leaf>,
    ) -> Result<BTreeSet<(Day, SightingId)>, CatalogueError> {
        let mut replaced = BTreeSet::new();
        let ids: Vec<_> = leaves.keys().copied().collect();
        for (list, some) in in_lists(&ids, 1) {
            let sql = format!("SELECT id, day, salt, digests FROM sighting WHERE id IN ({list})");
            let query = some.fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(id.0.as_bytes().as_slice()));
            for row in &query.fetch_all(self.reader()).await? {
                let id = id(row.try_get("id")?)?;
                if kept(row)?.is_none_or(|(_, digests)| digests.crop != leaves[&id].digests.crop) {
                    replaced.insert((Day(row.try_get("day")?), id));
                }
            }
        }
        Ok(replaced)
    }

    /// The crop that is the sighting's; `None` where there is no such sighting, or not that crop.
    pub(crate) async fn crop_as_stored(&self, id: SightingId) -> Result<Option<Vec<u8>>, CatalogueError> {
        let query = sqlx::query("SELECT day, salt, digests FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
        match query.fetch_optional(self.reader()).await? {
            Some(row) => self.crop_matching(id, &row).await,
            None => Ok(None),
        }
    }

    /// As [`Self::crop_of`], of a row that was read already: it has `day`, `salt` and `digests`.
    pub(crate) async fn crop_of_row(&self, id: SightingId, row: &DbRow) -> Result<Option<Vec<u8>>, CatalogueError> {
        Ok(self.crop_matching(id, row).await?.filter(|jpeg| is_ours(id, jpeg)))
    }

    /// The crop that a row's digests name. The row has `day`, `salt` and `digests`.
    async fn crop_matching(&self, id: SightingId, row: &DbRow) -> Result<Option<Vec<u8>>, CatalogueError> {
        let day = Day(row.try_get("day")?);
        let crop = self.inner.crops.get(day, id).await?;
        let Some((_, Digests { crop: expected, .. })) = kept(row)? else { return Ok(crop.map(Vec::from)) };
        if crop.as_ref().is_some_and(|jpeg| crop_digest(jpeg) == expected) {
            return Ok(crop.map(Vec::from));
        }
        // Its row was just committed, or by a process that was killed right then.
        let beside = self.inner.crops.get_beside(day, id).await?.filter(|jpeg| crop_digest(jpeg) == expected);
        if beside.is_none() && crop.is_some() {
            tracing::error!(%id, "a crop is left out: it is not the one that was stored");
        }
        Ok(beside.map(Vec::from))
    }

    /// Tells whoever follows the record. After the commit.
    pub(crate) async fn committed(&self, committed: Committed) {
        if committed.entries.is_empty() {
            return;
        }
        self.followed(committed.entries.iter().map(|(seq, entry)| (*seq, entry))).await;
        self.inner.grown.notify_one();
    }

    /// Resolves when the catalogue has written to the record by itself.
    pub async fn record_grown(&self) {
        self.inner.grown.notified().await;
    }

    /// Whether there may be sightings that were stored before the record committed to any.
    pub async fn has_uncommitted(&self) -> Result<bool, CatalogueError> {
        if self.is_committed_whole().await? {
            return Ok(false);
        }
        let query = sqlx::query("SELECT 1 AS one FROM sighting WHERE batch IS NULL LIMIT 1");
        Ok(query.fetch_optional(self.reader()).await?.is_some())
    }

    /// How many sightings nothing commits to.
    pub async fn uncommitted_count(&self) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM sighting WHERE batch IS NULL").fetch_one(self.reader()).await?;
        Ok(count.unsigned_abs())
    }

    /// Whether an entry says that it commits to every sighting, so that one without a commitment is somebody's own.
    pub async fn is_committed_whole(&self) -> Result<bool, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().whole().is_some())
    }

    /// Commits to the next sightings after a change that were stored before the record committed to any, as they are found.
    /// `None`: there are no more, and an entry says so. Otherwise the change to go on after.
    pub async fn commit_found(&self, after: u64) -> Result<Option<u64>, CatalogueError> {
        if !self.has_uncommitted().await? {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT * FROM sighting WHERE batch IS NULL AND seq > $1 ORDER BY seq LIMIT $2")
            .bind(after.cast_signed())
            .bind(FOUND_AT_ONCE)
            .fetch_all(self.reader())
            .await?;
        let Some(last) = rows.last() else {
            self.end_found().await?;
            return Ok(None);
        };
        let last: i64 = last.try_get("seq")?;
        self.commit_rows(&rows).await?;
        Ok(Some(last.unsigned_abs()))
    }

    /// Commits to these as they are found, as far as nothing does and no entry says that all are committed to.
    pub async fn commit_found_now(&self, ids: &[SightingId]) -> Result<(), CatalogueError> {
        if !self.has_uncommitted().await? {
            return Ok(());
        }
        let mut rows = Vec::new();
        for id in ids {
            let query = sqlx::query("SELECT * FROM sighting WHERE id = $1 AND batch IS NULL").bind(id.0.as_bytes().as_slice());
            rows.extend(query.fetch_optional(self.reader()).await?);
        }
        self.commit_rows(&rows).await
    }

    async fn commit_rows(&self, rows: &[DbRow]) -> Result<(), CatalogueError> {
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            // What can't be read, or has no crop, `check` names.
            let (Ok(sighting), Ok(id)) = (sighting(row), id(row.try_get("id")?)) else { continue };
            let (Some(vector), Some(jpeg)) = (vector_of(row)?, self.inner.crops.get(sighting.day(), id).await?) else { continue };
            found.push((id, row.try_get::<i64, _>("seq")?, Leaf::of(&sighting, crop_digest(&jpeg), vector)));
        }
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        let mut still = Vec::with_capacity(found.len());
        for one @ (id, seq, _) in found {
            let query = sqlx::query("SELECT 1 AS one FROM sighting WHERE id = $1 AND seq = $2 AND batch IS NULL");
            let there = query.bind(id.0.as_bytes().as_slice()).bind(seq).fetch_optional(&mut *tx).await?;
            still.extend(there.map(|_| one));
        }
        let leaves: Vec<_> = still.iter().map(|(_, _, leaf)| leaf.hash()).collect();
        let committed = self.commit_seen(&mut tx, &leaves, Vec::new(), still.len(), true).await?;
        for (n, (id, _, leaf)) in (0..).zip(&still) {
            attach(&mut tx, id.0.as_bytes(), Place { batch: committed.batch(), leaf: n }, leaf).await?;
        }
        tx.commit().await?;
        self.committed(committed).await;
        Ok(())
    }

    /// What is left can't be committed to: it is damaged, and named as such.
    async fn end_found(&self) -> Result<(), CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        self.lock_in(&mut tx, Lock::Record).await?;
        let seen = Seen { found: true, whole: true, ..Seen::default() };
        let entries = vec![append_in(&mut tx, entry(seen)).await?];
        tx.commit().await?;
        self.committed(Committed { entries }).await;
        Ok(())
    }

    /// Commits to vectors of another model that become the sightings' own: row and crop as they were committed to before. A
    /// sighting whose commitment does not hold keeps it, so that it stays a finding; so does one without.
    pub(crate) async fn commit_adopted(&self, tx: &mut Tx, adopted: &[Vec<u8>]) -> Result<Committed, CatalogueError> {
        let (mut leaves, mut gone) = (Vec::new(), Vec::new());
        let mut batches: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
        for key in adopted {
            let query = sqlx::query("SELECT model, embedding, batch, leaf, salt, digests FROM sighting WHERE id = $1");
            let Some(row) = query.bind(key.as_slice()).fetch_optional(&mut **tx).await? else { continue };
            let (Some(place), Some((salts, digests))) = (Place::of(&row)?, kept(&row)?) else { continue };
            let batch = match batches.entry(place.batch) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let query = sqlx::query_scalar("SELECT leaves FROM commitment WHERE entry = $1").bind(place.batch);
                    unknown.insert(query.fetch_optional(&mut **tx).await?.unwrap_or_default())
                }
            };
            let holds = leaf_at(batch, place.leaf) == Some(digests.leaf(&salts.leaf));
            let Some(vector) = vector_of(&row)?.filter(|_| holds) else { continue };
            let salts = Salts { leaf: rand::random(), ..salts };
            leaves.push((key, Leaf { salts, digests: Digests { vector, ..digests } }));
            gone.push(place);
        }
        let hashes: Vec<_> = leaves.iter().map(|(_, leaf)| leaf.hash()).collect();
        let committed = self.commit_seen(tx, &hashes, gone, 0, false).await?;
        for (n, (key, leaf)) in (0..).zip(&leaves) {
            attach(tx, key, Place { batch: committed.batch(), leaf: n }, leaf).await?;
        }
        Ok(committed)
    }
}

/// Whether nothing commits to exactly so many.
async fn uncommitted_is(tx: &mut Tx, count: usize) -> Result<bool, CatalogueError> {
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM (SELECT 1 AS one FROM sighting WHERE batch IS NULL LIMIT $1) AS few")
            .bind(count as i64 + 1)
            .fetch_one(&mut **tx)
            .await?;
    Ok(found == count as i64)
}

async fn attach(tx: &mut Tx, key: &[u8], place: Place, leaf: &Leaf) -> Result<(), CatalogueError> {
    sqlx::query("UPDATE sighting SET batch = $2, leaf = $3, salt = $4, digests = $5 WHERE id = $1")
        .bind(key)
        .bind(place.batch)
        .bind(place.leaf)
        .bind(leaf.salts.to_bytes().as_slice())
        .bind(leaf.digests.to_bytes())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Batches of which nothing is left go; of the others it is noted how many are.
async fn forget(tx: &mut Tx, gone: &[Place]) -> Result<(), CatalogueError> {
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    for place in gone {
        *counts.entry(place.batch).or_default() += 1;
    }
    for (batch, count) in counts {
        let query = sqlx::query("DELETE FROM commitment WHERE entry = $1 AND length(leaves) <= 32 * (gone + $2)");
        if query.bind(batch).bind(count).execute(&mut **tx).await?.rows_affected() == 0 {
            let query = sqlx::query("UPDATE commitment SET gone = gone + $2 WHERE entry = $1");
            query.bind(batch).bind(count).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// Leaves side by side as one: the batch, the first and the last.
fn runs(gone: &[Place]) -> Vec<(u64, u32, u32)> {
    let mut runs: Vec<(u64, u32, u32)> = Vec::new();
    for Place { batch, leaf } in gone {
        // What is no number of ours was written by somebody else, and is named by `check`.
        let (Ok(batch), Ok(leaf)) = (u64::try_from(*batch), u32::try_from(*leaf)) else { continue };
        match runs.last_mut() {
            Some((of, _, last)) if *of == batch && leaf.checked_sub(1) == Some(*last) => *last = leaf,
            _ => runs.push((batch, leaf, leaf)),
        }
    }
    runs
}

fn entry(seen: Seen) -> AuditEntry {
    AuditEntry {
        at: ReceiveTime::now(),
        caller: None,
        action: Action::CommitSightings,
        // Begun and ended in the transaction of what it is about: there is no entry before.
        phase: Phase::Complete { begin: 0, outcome: Outcome::Done },
        case: None,
        detail: AuditDetail { seen: Some(seen), ..AuditDetail::default() },
        charge: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_side_by_side_are_told_together() {
        let places = [(3, 0), (3, 1), (3, 2), (3, 4), (4, 5), (5, 6), (-1, 0)];
        let places = places.map(|(batch, leaf)| Place { batch, leaf });
        assert_eq!(runs(&places), [(3, 0, 2), (3, 4, 4), (4, 5, 5), (5, 6, 6)]);
        // As many as an entry may have fit into one, however long their numbers are.
        let longest = vec![(u64::MAX, u32::MAX, u32::MAX); RUNS];
        let bytes = entry(Seen { gone: longest, ..Seen::default() }).to_bytes().unwrap();
        assert!(bytes.len() < access::log::MAX_ENTRY, "{}", bytes.len());
    }
}
