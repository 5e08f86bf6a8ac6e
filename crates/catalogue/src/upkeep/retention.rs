//! Whose time has come, and how it goes: rows in the order of their storing, in small transactions, each on its run's account.

use std::collections::{BTreeMap, BTreeSet};

use access::{Deletion, Hold, Schedule};
use sqlx::Row;
use types::{CameraId, CaseId, Day, Embedding, ReceiveTime, SightingId};

use crate::{
    Catalogue, CatalogueError,
    cluster::fencing_token::FencingToken,
    engine::{DbRow, Lock, Tx, sequence},
    row::{capture, document, embedding, id, read_document, time},
    seen::Place,
};

/// Rows of one transaction at most, but for what was held: whoever writes to the record meanwhile waits for no more.
const CHUNK: i64 = 2_000;

/// A camera's share of a day, as far as no hold keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The day of capture, in UTC.
    pub day: Day,
    /// The camera.
    pub camera: CameraId,
    /// When the first of it was stored.
    pub oldest: ReceiveTime,
}

impl Share {
    /// When the first of it comes to its end; `None` without a schedule of its camera.
    pub fn ends(&self, schedules: &BTreeMap<CameraId, Schedule>) -> Option<ReceiveTime> {
        schedules.get(&self.camera).map(|schedule| schedule.ends(self.oldest))
    }
}

/// A deletion of one day, done or under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionRun {
    /// Its number, in the order in which deletions begin.
    pub id: i64,
    /// What it is to delete, and what it has deleted so far.
    pub deletion: Deletion,
    /// When it began, by the server's clock.
    pub begun: ReceiveTime,
    /// With the number of the audit entry that ends it.
    pub finished: Option<(ReceiveTime, u64)>,
}

/// A sighting that is gone from the catalogue.
#[derive(Debug, Clone)]
pub struct DeletedSighting {
    /// Its id, for the indexes that still hold it.
    pub id: SightingId,
    /// The vector it had, to search for it afterwards.
    pub embedding: Embedding,
}

impl Catalogue {
    /// The latest time that was ever told to this, `now` included: a clock that was set back neither keeps sightings longer
    /// nor makes new ones look old.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn advance_clock(&self, now: ReceiveTime) -> Result<ReceiveTime, CatalogueError> {
        let seen: Vec<i64> = sqlx::query_scalar(
            "UPDATE sequence SET value = CASE WHEN value < $1 THEN $1 ELSE value END WHERE name = 'clock' RETURNING value",
        )
        .bind(now.as_micros())
        .fetch_all(self.writer())
        .await?;
        time(seen.first().copied().unwrap_or_default())
    }

    /// The latest time that was ever told to [`Self::advance_clock`]; `None`: none was.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn last_time(&self) -> Result<Option<ReceiveTime>, CatalogueError> {
        let seen = sequence(self.reader(), "clock").await?;
        if seen == 0 { Ok(None) } else { time(seen).map(Some) }
    }

    /// Somebody says that it is `now`, whatever was told to [`Self::advance_clock`]. What was stored in a time that has not come yet
    /// counts as stored now; it would live too long.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn set_time(&self, now: ReceiveTime) -> Result<(), CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        for query in ["UPDATE sequence SET value = $1 WHERE name = 'clock'", "UPDATE sighting SET stored = $1 WHERE stored > $1"]
        {
            sqlx::query(query).bind(now.as_micros()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What there is, by day and camera. A few look-ups each, however many sightings there are.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn shares(&self) -> Result<Vec<Share>, CatalogueError> {
        let rows = sqlx::query(
            "WITH RECURSIVE days (day) AS (
                SELECT min(day) FROM sighting
                UNION ALL
                SELECT (SELECT min(day) FROM sighting WHERE day > days.day) FROM days WHERE days.day IS NOT NULL
             ), shares (day, camera, oldest) AS (
                SELECT days.day, camera.id,
                    (SELECT s.stored FROM sighting s WHERE s.day = days.day AND s.camera = camera.id
                     AND NOT EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = s.id) ORDER BY s.stored LIMIT 1)
                FROM days CROSS JOIN camera WHERE days.day IS NOT NULL
             )
             SELECT day, camera, oldest FROM shares WHERE oldest IS NOT NULL ORDER BY day, camera",
        )
        .fetch_all(self.reader())
        .await?;
        rows.iter()
            .map(|row| Ok(Share { day: Day(row.try_get("day")?), camera: camera(row)?, oldest: time(row.try_get("oldest")?)? }))
            .collect()
    }

    /// Looks at what is held although its time has come: notes which cases still keep it, and returns the days of what none
    /// does any more.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn review_holds(&self, holds: &[Hold], now: ReceiveTime) -> Result<BTreeSet<Day>, CatalogueError> {
        let mut days = BTreeSet::new();
        if self.held_count().await? == 0 {
            return Ok(days);
        }
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        let rows = sqlx::query(
            "SELECT id, day, camera, first_us, last_us FROM sighting s
             WHERE EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = s.id)",
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            let cases = keeping(holds, row, now)?;
            if cases.is_empty() {
                days.insert(Day(row.try_get("day")?));
            } else {
                keep(&mut tx, id(row.try_get("id")?)?, &cases).await?;
            }
        }
        tx.commit().await?;
        Ok(days)
    }

    /// Sightings that are there for a legal hold alone: their time has come.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn held_count(&self) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar("SELECT count(DISTINCT s.id) FROM held_sighting h JOIN sighting s ON s.id = h.id")
            .fetch_one(self.reader())
            .await?;
        Ok(count.unsigned_abs())
    }

    /// Deletions that were cut off.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn open_deletions(&self) -> Result<Vec<DeletionRun>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM deletion WHERE finished IS NULL ORDER BY id");
        query.fetch_all(self.reader()).await?.iter().map(run).collect()
    }

    /// The newest first, at most `limit`; before a given one, if any.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn deletions(&self, before: Option<i64>, limit: u32) -> Result<Vec<DeletionRun>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM deletion WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(run).collect()
    }

    /// Opens the account of a deletion; nothing is deleted yet.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn begin_deletion(&self, deletion: &Deletion, at: ReceiveTime) -> Result<DeletionRun, CatalogueError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("INSERT INTO deletion (day, begun, document) VALUES ($1, $2, $3) RETURNING *")
            .bind(deletion.day.0)
            .bind(at.as_micros())
            .bind(document(deletion)?)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        run(&row)
    }

    /// Deletes the next sightings of the day that were stored before their camera's time and that no hold keeps, and what
    /// a hold kept that keeps it no longer. The rows, and the run's account of them, are one transaction. Empty: there is no
    /// more.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn delete_due(
        &self,
        run: &mut DeletionRun,
        holds: &[Hold],
        now: ReceiveTime,
        fence: &FencingToken,
    ) -> Result<Vec<DeletedSighting>, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Sightings).await?;
        self.check_token(&mut tx, fence).await?;
        let mut deletion = run.deletion.clone();
        let (mut gone, mut places) = (Vec::new(), Vec::new());
        'cameras: for (camera, before) in &run.deletion.stored_before {
            while let rows @ [_, ..] = &*sqlx::query(
                "SELECT id, camera, first_us, last_us, model, embedding, batch, leaf FROM sighting s
                 WHERE day = $1 AND camera = $2 AND stored < $3
                 AND NOT EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = s.id)
                 ORDER BY stored, id LIMIT $4",
            )
            .bind(deletion.day.0)
            .bind(camera.as_str())
            .bind(before.as_micros())
            .bind(CHUNK)
            .fetch_all(&mut *tx)
            .await?
            {
                places.extend(take(&mut tx, rows, holds, now, &mut deletion, &mut gone).await?);
                if !gone.is_empty() {
                    break 'cameras;
                }
            }
        }
        if gone.is_empty() {
            let rows = sqlx::query(
                "SELECT id, camera, first_us, last_us, model, embedding, batch, leaf FROM sighting s
                 WHERE day = $1 AND EXISTS (SELECT 1 FROM held_sighting h WHERE h.id = s.id) ORDER BY id",
            )
            .bind(deletion.day.0)
            .fetch_all(&mut *tx)
            .await?;
            places.extend(take(&mut tx, &rows, holds, now, &mut deletion, &mut gone).await?);
        }
        let left = sqlx::query("SELECT day FROM sighting WHERE day = $1 LIMIT 1").bind(deletion.day.0).fetch_optional(&mut *tx);
        deletion.whole = left.await?.is_none();
        if deletion.whole {
            self.drop_day(&mut tx, deletion.day).await?;
        }
        deletion.held = held_of(&mut tx, deletion.day).await?;
        store(&mut tx, run.id, &deletion).await?;
        let committed = self.commit_gone(&mut tx, places).await?;
        tx.commit().await?;
        self.committed(committed).await;
        run.deletion = deletion;
        Ok(gone)
    }

    /// Deletes the crops of a day that no sighting names any more, and its folder where none does.
    ///
    /// # Errors
    /// [`CatalogueError`] where database or crops can't be reached. What was deleted before is gone.
    pub async fn delete_crops(&self, day: Day) -> Result<u64, CatalogueError> {
        let swept = self.sweep_day(day).await?;
        let _alone = self.crops_alone().await?;
        self.inner.crops.remove_folder(day)?;
        Ok(swept)
    }

    /// Closes the account of a deletion; `seq` is the audit entry that ends it.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn finish_deletion(
        &self,
        run: &DeletionRun,
        at: ReceiveTime,
        seq: u64,
        fence: &FencingToken,
    ) -> Result<(), CatalogueError> {
        let mut tx = self.begin_by(fence).await?;
        sqlx::query("UPDATE deletion SET finished = $2, seq = $3, document = $4 WHERE id = $1")
            .bind(run.id)
            .bind(at.as_micros())
            .bind(seq.cast_signed())
            .bind(document(&run.deletion)?)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Keeps what is known of a deletion that did not come to its end.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn save_deletion(&self, run: &DeletionRun, fence: &FencingToken) -> Result<(), CatalogueError> {
        let mut tx = self.begin_by(fence).await?;
        store(&mut tx, run.id, &run.deletion).await?;
        Ok(tx.commit().await?)
    }

    async fn begin_by(&self, fence: &FencingToken) -> Result<Tx, CatalogueError> {
        let mut tx = self.begin().await?;
        self.check_token(&mut tx, fence).await?;
        Ok(tx)
    }
}

/// Deletes what no hold keeps, and notes what one does. Returns where the leaves of what it deleted are.
async fn take(
    tx: &mut Tx,
    rows: &[DbRow],
    holds: &[Hold],
    now: ReceiveTime,
    deletion: &mut Deletion,
    gone: &mut Vec<DeletedSighting>,
) -> Result<Vec<Place>, CatalogueError> {
    let mut places = Vec::new();
    for row in rows {
        let sighting = id(row.try_get("id")?)?;
        let cases = keeping(holds, row, now)?;
        keep(tx, sighting, &cases).await?;
        if cases.is_empty() {
            delete(tx, sighting).await?;
            *deletion.cameras.entry(camera(row)?).or_default() += 1;
            deletion.ids.add(sighting);
            places.extend(Place::of(row)?);
            gone.push(DeletedSighting { id: sighting, embedding: embedding(row.try_get("model")?, row.try_get("embedding")?)? });
        }
    }
    Ok(places)
}

/// The cases whose holds keep a sighting.
fn keeping(holds: &[Hold], row: &DbRow, now: ReceiveTime) -> Result<BTreeSet<CaseId>, CatalogueError> {
    let (first, last) = (capture(row.try_get("first_us")?)?, capture(row.try_get("last_us")?)?);
    let camera = camera(row)?;
    let keeps = |hold: &&Hold| hold.holds(now) && hold.covers(&camera, first, last);
    Ok(holds.iter().filter(keeps).map(|hold| hold.case.clone()).collect())
}

fn camera(row: &DbRow) -> Result<CameraId, CatalogueError> {
    let camera: &str = row.try_get("camera")?;
    CameraId::new(camera).map_err(|_| CatalogueError::unreadable(format!("camera {camera:?}")))
}

/// Notes which cases still find it.
async fn keep(tx: &mut Tx, id: SightingId, cases: &BTreeSet<CaseId>) -> Result<(), CatalogueError> {
    let bytes = id.0.as_bytes().as_slice();
    sqlx::query("DELETE FROM held_sighting WHERE id = $1").bind(bytes).execute(&mut **tx).await?;
    for case in cases {
        let query = sqlx::query("INSERT INTO held_sighting (id, case_id) VALUES ($1, $2)").bind(bytes).bind(case.as_str());
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn delete(tx: &mut Tx, id: SightingId) -> Result<(), CatalogueError> {
    // An earlier change of it may have left one, in this day or another.
    for query in ["DELETE FROM sighting WHERE id = $1", "DELETE FROM tombstone WHERE id = $1"] {
        sqlx::query(query).bind(id.0.as_bytes().as_slice()).execute(&mut **tx).await?;
    }
    Ok(())
}

async fn held_of(tx: &mut Tx, day: Day) -> Result<u64, CatalogueError> {
    let query =
        sqlx::query_scalar("SELECT count(DISTINCT h.id) FROM held_sighting h JOIN sighting s ON s.id = h.id WHERE s.day = $1");
    let count: i64 = query.bind(day.0).fetch_one(&mut **tx).await?;
    Ok(count.unsigned_abs())
}

async fn store(tx: &mut Tx, run: i64, deletion: &Deletion) -> Result<(), CatalogueError> {
    let query = sqlx::query("UPDATE deletion SET document = $2 WHERE id = $1").bind(run).bind(document(deletion)?);
    query.execute(&mut **tx).await?;
    Ok(())
}

fn run(row: &DbRow) -> Result<DeletionRun, CatalogueError> {
    let id: i64 = row.try_get("id")?;
    let finished: Option<i64> = row.try_get("finished")?;
    let seq: Option<i64> = row.try_get("seq")?;
    let finished = finished.zip(seq).map(|(at, seq)| Ok::<_, CatalogueError>((time(at)?, seq.unsigned_abs()))).transpose()?;
    Ok(DeletionRun {
        id,
        deletion: read_document(row.try_get("document")?, || format!("deletion {id}"))?,
        begun: time(row.try_get("begun")?)?,
        finished,
    })
}

/// A map for [`access::Deletion::stored_before`] from what has come to its end.
pub fn due(shares: &[Share], cutoffs: &BTreeMap<CameraId, ReceiveTime>) -> BTreeMap<Day, BTreeMap<CameraId, ReceiveTime>> {
    let mut due: BTreeMap<Day, BTreeMap<CameraId, ReceiveTime>> = BTreeMap::new();
    for share in shares {
        if let Some(cutoff) = cutoffs.get(&share.camera).filter(|cutoff| share.oldest < **cutoff) {
            due.entry(share.day).or_default().insert(share.camera.clone(), *cutoff);
        }
    }
    due
}
