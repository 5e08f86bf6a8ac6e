use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use redact::RedactedCrop;
use sqlx::{AssertSqlSafe, Row};
use types::{AgencyId, CameraId, CaptureTime, Day, Embedding, FootageDigest, ReceiveTime, Sighting, SightingId, SightingOrigin};

use super::row::{Before, is_ours};
use crate::{
    Catalogue, CatalogueError,
    cluster::fencing_token::FencingToken,
    crop,
    engine::{CropsAlone, DbRow, Lock, Tx, in_lists, insert_batches, rows, sequence},
    row::{document, embedding_bytes, id},
    seen::{Leaf, Place},
};

/// Crops written at once; each waits for the disk.
const CROPS_AT_ONCE: usize = 8;
/// A sighting with what is kept beside it.
#[derive(Debug, Clone)]
pub struct SightingRecord {
    /// What was seen.
    pub sighting: Sighting,
    /// The picture of it, redacted.
    pub crop: RedactedCrop,
    /// The appearance vector made from the crop.
    pub embedding: Embedding,
}

/// What [`Catalogue::discard_footage`] took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Discarded {
    /// How many were there.
    pub sightings: u64,
    /// The last change, as in [`crate::Maintenance::changes_since`].
    pub seq: u64,
}

impl Catalogue {
    /// Stores sightings, all or none; one that is there already is replaced. Durable when it returns, with the number of
    /// the last change.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] if the lease is superseded, [`CatalogueError::Lease`] if it does not cover one of
    /// them.
    pub async fn put_sightings(&self, records: &[SightingRecord], fence: &FencingToken) -> Result<u64, CatalogueError> {
        for record in records {
            validate(record)?;
        }
        // The last of equal ids wins, as if they had come one by one.
        let records: BTreeMap<SightingId, &SightingRecord> = records.iter().map(|r| (r.sighting.id, r)).collect();
        let _alone = self.inner.crops_change.lock().await;
        self.check_cameras(records.values().map(|r| &r.sighting)).await?;
        let begun = self.begin_with_crops().await?;
        let jpegs: Vec<_> = records.values().map(|r| (r.sighting.day(), r.sighting.id, r.crop.encode())).collect();
        let leaves: HashMap<_, _> =
            records.values().zip(&jpegs).map(|(r, (_, id, jpeg))| (*id, Leaf::new(&r.sighting, jpeg, &r.embedding))).collect();
        let beside = self.crops_to_replace(&leaves).await?;
        stream::iter(jpegs)
            .map(|(day, id, jpeg)| self.inner.crops.put(day, id, jpeg, beside.contains(&(day, id))))
            .buffer_unordered(CROPS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;

        let mut tx = self.go_on_with_sightings(begun).await?;
        self.check_token_for(&mut tx, fence, records.values().map(|r| &r.sighting)).await?;
        for day in records.values().map(|r| r.sighting.day()).collect::<BTreeSet<_>>() {
            self.make_day(&mut tx, day).await?;
        }
        let ids: Vec<_> = records.keys().copied().collect();
        let (before, buried) = (stored_before(&mut tx, &ids).await?, tombstoned(&mut tx, &ids).await?);
        let moved: Vec<_> = records
            .values()
            .filter_map(|r| Some((before.get(&r.sighting.id)?.day, r.sighting.id)).filter(|(day, _)| *day != r.sighting.day()))
            .collect();
        let count = records.len() + moved.len();
        let last = reserve(&mut tx, count as i64).await?;
        let mut seq = last - count as u64;
        let now = stored_now(&mut tx).await?;
        for (day, id) in &moved {
            seq += 1;
            insert_tombstone(&mut tx, *id, *day, seq).await?;
        }
        let committed =
            self.commit_stored(&mut tx, records.keys().map(|id| leaves[id].hash()).collect(), before.values()).await?;
        let mut new = Vec::with_capacity(records.len());
        for (leaf, record) in (0..).zip(records.values().copied()) {
            let (id, day) = (record.sighting.id, record.sighting.day());
            if buried.contains(&(id, day)) {
                let query = sqlx::query("DELETE FROM tombstone WHERE id = $1 AND day = $2");
                query.bind(id.0.as_bytes().as_slice()).bind(day.0).execute(&mut *tx).await?;
            }
            let before = before.get(&id);
            if before.is_some() {
                let query = sqlx::query("DELETE FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
                query.execute(&mut *tx).await?;
            }
            seq += 1;
            // Storing it again makes it no younger.
            let place = Place { batch: committed.batch(), leaf };
            new.push(NewRow { record, seq, stored: before.map_or(now, |before| before.stored), place, leaf: &leaves[&id] });
        }
        for some in insert_batches(&new) {
            insert(&mut tx, some).await?;
        }
        tx.commit().await?;
        self.committed(committed).await;
        for (day, id) in beside {
            self.inner.crops.take_beside(day, id).await?;
        }
        for (day, id) in moved {
            self.inner.crops.delete(day, id).await?;
        }
        Ok(last)
    }

    /// Takes away everything that came from a file: for a job that failed, or footage added by mistake.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] if the lease is superseded.
    pub async fn discard_footage(
        &self,
        camera: &CameraId,
        footage: FootageDigest,
        fence: &FencingToken,
    ) -> Result<Discarded, CatalogueError> {
        let alone = self.crops_alone().await?;
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        self.check_token(&mut tx, fence).await?;
        let rows = sqlx::query("SELECT id, day, batch, leaf FROM sighting WHERE camera = $1 AND footage = $2 ORDER BY id")
            .bind(camera.as_str())
            .bind(footage.0.as_slice())
            .fetch_all(&mut *tx)
            .await?;
        self.discard(alone, tx, rows).await
    }

    /// Takes away sightings by id; those not there are no error.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] if the lease is superseded.
    pub async fn discard_sightings(&self, ids: &[SightingId], fence: &FencingToken) -> Result<Discarded, CatalogueError> {
        let alone = self.crops_alone().await?;
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        self.check_token(&mut tx, fence).await?;
        let mut rows = Vec::new();
        for id in ids {
            let query = sqlx::query("SELECT id, day, batch, leaf FROM sighting WHERE id = $1").bind(id.0.as_bytes().as_slice());
            rows.extend(query.fetch_optional(&mut *tx).await?);
        }
        self.discard(alone, tx, rows).await
    }

    async fn discard(&self, mut alone: CropsAlone<'_>, mut tx: Tx, rows: Vec<DbRow>) -> Result<Discarded, CatalogueError> {
        let mut seq = reserve(&mut tx, 0).await?;
        let (mut gone, mut places) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in &rows {
            let bytes: Vec<u8> = row.try_get("id")?;
            let (id, day) = (id(&bytes)?, Day(row.try_get("day")?));
            let deleted = sqlx::query("DELETE FROM sighting WHERE id = $1").bind(bytes).execute(&mut *tx).await?;
            if deleted.rows_affected() == 0 {
                // An id given twice is one sighting.
                continue;
            }
            seq = reserve(&mut tx, 1).await?;
            insert_tombstone(&mut tx, id, day, seq).await?;
            gone.push((day, id));
            places.extend(Place::of(row)?);
        }
        let committed = self.commit_gone(&mut tx, places).await?;
        tx.commit().await?;
        self.committed(committed).await;
        alone.is_held().await?;
        // Cut short here, the crops left are orphans and swept at the next start.
        self.inner.crops.delete_all(gone.iter().map(|(day, id)| crop::key(*day, *id)).collect()).await?;
        Ok(Discarded { sightings: gone.len() as u64, seq })
    }

    /// The places of those among these whose id is that of another sighting: of another camera, or of footage.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn anothers(&self, live: &[&Sighting]) -> Result<BTreeSet<usize>, CatalogueError> {
        let ids: Vec<_> = live.iter().map(|sighting| sighting.id).collect();
        let mut there = HashMap::new();
        for (list, some) in in_lists(&ids, 1) {
            let sql = format!("SELECT id, camera, footage FROM sighting WHERE id IN ({list})");
            let query = some.fold(sqlx::query_as(AssertSqlSafe(sql)), |query, id| query.bind(id.0.as_bytes().as_slice()));
            let rows: Vec<(Vec<u8>, String, Option<Vec<u8>>)> = query.fetch_all(self.reader()).await?;
            for (of, camera, footage) in rows {
                there.insert(id(&of)?, (camera, footage.is_some()));
            }
        }
        let is_anothers = |sighting: &Sighting| {
            let there = there.get(&sighting.id);
            there.is_some_and(|(camera, footage)| *footage || camera != sighting.camera.as_str())
        };
        Ok(live.iter().enumerate().filter(|(_, sighting)| is_anothers(sighting)).map(|(n, _)| n).collect())
    }

    /// How many sightings there are.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn sighting_count(&self) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM sighting").fetch_one(self.reader()).await?;
        Ok(count.unsigned_abs())
    }

    /// The redacted crop as JPEG, as [`RedactedCrop::decode`] reads it; `None` without such a sighting, and where what is stored is
    /// not a crop of ours.
    pub(crate) async fn crop_of(&self, id: SightingId) -> Result<Option<Vec<u8>>, CatalogueError> {
        Ok(self.crop_as_stored(id).await?.filter(|jpeg| is_ours(id, jpeg)))
    }

    /// The days that hold sightings, in order.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn days(&self) -> Result<Vec<Day>, CatalogueError> {
        let days: Vec<i32> =
            sqlx::query_scalar("SELECT DISTINCT day FROM sighting ORDER BY day").fetch_all(self.reader()).await?;
        Ok(days.into_iter().map(Day).collect())
    }

    /// The sightings of a day, in order.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn ids(&self, day: Day) -> Result<Vec<SightingId>, CatalogueError> {
        let query = sqlx::query_scalar("SELECT id FROM sighting WHERE day = $1 ORDER BY id").bind(day.0);
        let rows: Vec<Vec<u8>> = query.fetch_all(self.reader()).await?;
        // What is no id, [`Self::unusable_rows`] names.
        Ok(rows.iter().filter_map(|bytes| id(bytes).ok()).collect())
    }

    /// Every sighting by day, in order: what an index must hold. See [`crate::compare_ids`].
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn ids_by_day(&self) -> Result<BTreeMap<Day, Vec<SightingId>>, CatalogueError> {
        let mut all = BTreeMap::new();
        for day in self.days().await? {
            all.insert(day, self.ids(day).await?);
        }
        Ok(all)
    }

    /// A camera must be known and belong to the agency that the sighting names; said before anything is written.
    async fn check_cameras(&self, sightings: impl Iterator<Item = &Sighting>) -> Result<(), CatalogueError> {
        let mut known: BTreeMap<CameraId, AgencyId> = BTreeMap::new();
        for sighting in sightings {
            if !known.contains_key(&sighting.camera) {
                known.insert(sighting.camera.clone(), self.camera(&sighting.camera).await?.agency);
            }
            if known[&sighting.camera] != sighting.agency {
                return Err(CatalogueError::Sighting { id: sighting.id, what: "names another agency than its camera's" });
            }
        }
        Ok(())
    }
}

fn validate(record: &SightingRecord) -> Result<(), CatalogueError> {
    let sighting = &record.sighting;
    match sighting.fault(Some(CaptureTime::now())) {
        None => Ok(()),
        Some(what) => Err(CatalogueError::Sighting { id: sighting.id, what }),
    }
}

/// Takes the next `count` numbers of the change sequence and returns the last one taken so far.
pub(crate) async fn reserve(tx: &mut Tx, count: i64) -> Result<u64, CatalogueError> {
    // A row may have a number that was never given out, if somebody wrote it behind our back. Numbers that are near are passed over:
    // they would make every later change fail.
    let query = sqlx::query_scalar(
        "UPDATE sequence SET value = $1 + coalesce(
             (SELECT max(taken.seq) FROM (
                 SELECT max(seq) AS seq FROM sighting WHERE seq > sequence.value AND seq <= sequence.value + 1000000
                 UNION ALL SELECT max(seq) FROM tombstone WHERE seq > sequence.value AND seq <= sequence.value + 1000000
             ) taken), value)
         WHERE name = 'change' RETURNING value",
    )
    .bind(count);
    let seq: i64 = query.fetch_one(&mut **tx).await?;
    Ok(seq.unsigned_abs())
}

async fn insert_tombstone(tx: &mut Tx, id: SightingId, day: Day, seq: u64) -> Result<(), CatalogueError> {
    sqlx::query(
        "INSERT INTO tombstone (id, day, seq) VALUES ($1, $2, $3) ON CONFLICT (id, day) DO UPDATE SET seq = excluded.seq",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(day.0)
    .bind(seq.cast_signed())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn stored_before(tx: &mut Tx, ids: &[SightingId]) -> Result<HashMap<SightingId, Before>, CatalogueError> {
    let mut found = HashMap::new();
    for (list, some) in in_lists(ids, 1) {
        let query = sqlx::query(AssertSqlSafe(format!("SELECT id, day, stored, batch, leaf FROM sighting WHERE id IN ({list})")));
        let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
        for row in &query.fetch_all(&mut **tx).await? {
            let before = Before { day: Day(row.try_get("day")?), stored: row.try_get("stored")?, place: Place::of(row)? };
            found.insert(id(row.try_get("id")?)?, before);
        }
    }
    Ok(found)
}

/// The days from which those were taken away.
async fn tombstoned(tx: &mut Tx, ids: &[SightingId]) -> Result<BTreeSet<(SightingId, Day)>, CatalogueError> {
    let mut found = BTreeSet::new();
    for (list, some) in in_lists(ids, 1) {
        let query = sqlx::query_as(AssertSqlSafe(format!("SELECT id, day FROM tombstone WHERE id IN ({list})")));
        let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
        let rows: Vec<(Vec<u8>, i32)> = query.fetch_all(&mut **tx).await?;
        for (of, day) in rows {
            found.insert((id(&of)?, Day(day)));
        }
    }
    Ok(found)
}

/// The time that sightings stored now get, never before the latest that was seen: where the clock was set back they would
/// else look old.
async fn stored_now(tx: &mut Tx) -> Result<i64, CatalogueError> {
    let seen = sequence(&mut **tx, "clock").await?;
    Ok(seen.max(ReceiveTime::now().as_micros()))
}

/// What becomes a row.
struct NewRow<'a> {
    record: &'a SightingRecord,
    seq: u64,
    stored: i64,
    place: Place,
    leaf: &'a Leaf,
}

async fn insert(tx: &mut Tx, some: &[NewRow<'_>]) -> Result<(), CatalogueError> {
    let sql = format!(
        "INSERT INTO sighting (id, seq, day, camera, agency, class, first_us, first_error_us, first_source, last_us,
         last_error_us, last_source, best_us, box_x, box_y, box_width, box_height, frame_width, frame_height, score, detections,
         description, footage, model, embedding, stored, batch, leaf, salt, digests) VALUES {}",
        rows(30, some.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for NewRow { record, seq, stored, place, leaf } in some {
        let SightingRecord { sighting: s, embedding, .. } = record;
        let footage = match s.origin {
            SightingOrigin::Live => None,
            SightingOrigin::Footage(digest) => Some(digest.0.to_vec()),
        };
        query = query
            .bind(s.id.0.as_bytes().as_slice())
            .bind(seq.cast_signed())
            .bind(s.day().0)
            .bind(s.camera.as_str())
            .bind(s.agency.as_str())
            .bind(s.class.as_str())
            .bind(s.first.time.as_micros())
            .bind(s.first.uncertainty.as_micros())
            .bind(s.first.source.as_str())
            .bind(s.last.time.as_micros())
            .bind(s.last.uncertainty.as_micros())
            .bind(s.last.source.as_str())
            .bind(s.best.as_micros())
            .bind(f64::from(s.bbox.x))
            .bind(f64::from(s.bbox.y))
            .bind(f64::from(s.bbox.width))
            .bind(f64::from(s.bbox.height))
            .bind(i64::from(s.frame.width))
            .bind(i64::from(s.frame.height))
            .bind(f64::from(s.score))
            .bind(i64::from(s.detections))
            .bind(document(&s.description)?)
            .bind(footage)
            .bind(embedding.model().0.as_slice())
            .bind(embedding_bytes(embedding))
            .bind(*stored)
            .bind(place.batch)
            .bind(place.leaf)
            .bind(leaf.salts.to_bytes().to_vec())
            .bind(leaf.digests.to_bytes());
    }
    query.execute(&mut **tx).await?;
    Ok(())
}
