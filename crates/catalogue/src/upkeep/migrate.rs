//! Moves a catalogue from a file to PostgreSQL, row by row as they are, and its crops with it. A batch is a transaction and the
//! order is the key's, so that one that was cut off goes on after the last row that is there.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row, ValueRef};
use types::{Day, ReceiveTime, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Tx},
};

/// Rows of one transaction; an appearance vector has some kilobytes.
const BATCH: usize = 500;
/// Crops under way at once.
const CROPS_AT_ONCE: usize = 8;

/// Every table that is moved, before those that refer to it, with its key. What a running server alone needs is not.
const TABLES: [(&str, &str); 28] = [
    ("agency", "id"),
    ("camera", "id"),
    ("case_file", "id"),
    ("case_event", "seq"),
    ("audit", "seq"),
    ("sealed", "seq, matter"),
    ("commitment", "entry"),
    ("camera_access", "camera, seq"),
    ("revoked_identity", "serial"),
    ("job", "id"),
    ("job_plan", "job"),
    ("job_segment", "job, number"),
    ("job_gap", "job, from_us"),
    ("recorder", "id"),
    ("recorder_camera", "recorder, recording"),
    ("sighting", "day, id"),
    ("tombstone", "id, day"),
    ("hold", "id"),
    ("held_sighting", "id, case_id"),
    ("deletion", "id"),
    ("lease", "camera, epoch"),
    ("ingest_worker", "holder"),
    ("embedding", "model, sighting"),
    ("handed_out", "case_id, sighting"),
    ("mark", "case_id, sighting"),
    ("appearance_model", "place"),
    ("learned", "name"),
    ("sequence", "name"),
];

/// What was moved of a table, the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name in the database.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over its rows in their order.
    pub digest: [u8; 32],
}

/// What a column holds, as PostgreSQL has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Real,
    Text,
    Bytes,
}

/// How far the move of a deployment to this place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum MoveState {
    /// It begins, or goes on where it was cut off.
    UnderWay,
    /// It finished before. Servers may have changed what was moved since, so nothing may be copied again.
    Finished,
}

struct Column {
    name: String,
    kind: Kind,
}

impl Catalogue {
    /// The deployment that is being moved here and is not whole yet.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn unfinished_migration(&self) -> Result<Option<String>, CatalogueError> {
        let query = sqlx::query_scalar("SELECT source FROM migration WHERE finished IS NULL");
        Ok(query.fetch_optional(self.reader()).await?)
    }

    /// Marks this catalogue as the place that `source` moves to, and says whether that move has finished already.
    ///
    /// # Errors
    /// [`CatalogueError::NotEmpty`] unless it is empty, or the same source moves or moved here.
    pub async fn begin_migration(&self, source: &str) -> Result<MoveState, CatalogueError> {
        let mut tx = self.begin().await?;
        let before: Option<(String, Option<i64>)> =
            sqlx::query_as("SELECT source, finished FROM migration").fetch_optional(&mut *tx).await?;
        match before {
            Some((from, finished)) if from == source => {
                tx.commit().await?;
                return Ok(if finished.is_some() { MoveState::Finished } else { MoveState::UnderWay });
            }
            Some(_) => return Err(CatalogueError::NotEmpty { what: "another deployment was moved there" }),
            None => {}
        }
        for (table, _) in TABLES.iter().filter(|(table, _)| *table != "sequence") {
            let sql = format!("SELECT 1 AS one FROM {table} LIMIT 1");
            if sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut *tx).await?.is_some() {
                return Err(CatalogueError::NotEmpty { what: "there is a deployment in it already" });
            }
        }
        sqlx::query("INSERT INTO migration (source, finished) VALUES ($1, NULL)").bind(source).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(MoveState::UnderWay)
    }

    /// Servers may start on it now.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn finish_migration(&self, source: &str) -> Result<(), CatalogueError> {
        let query = sqlx::query("UPDATE migration SET finished = $2 WHERE source = $1");
        query.bind(source).bind(ReceiveTime::now().as_micros()).execute(self.writer()).await?;
        Ok(())
    }

    /// Copies every row to another catalogue, then reads all of them on both sides and compares.
    ///
    /// # Errors
    /// [`CatalogueError::NotTheSame`] where the two differ afterwards.
    pub async fn move_rows(&self, to: &Self, progress: &mut (dyn FnMut(&str, u64) + Send)) -> Result<Vec<Moved>, CatalogueError> {
        for (table, key) in TABLES {
            self.copy_table(to, table, key, progress).await?;
        }
        let mut moved = Vec::with_capacity(TABLES.len());
        for (table, key) in TABLES {
            let columns = to.columns_of(table).await?;
            let (here, there) = (self.digest_of(table, key, &columns).await?, to.digest_of(table, key, &columns).await?);
            if here != there {
                return Err(CatalogueError::NotTheSame { what: format!("the table {table}") });
            }
            moved.push(Moved { table, rows: here.0, digest: here.1 });
        }
        Ok(moved)
    }

    /// What [`Self::move_rows`] said of a move that finished: every table of the source, in the columns of the target. Only the
    /// source is read.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn moved_rows(&self, to: &Self) -> Result<Vec<Moved>, CatalogueError> {
        let mut moved = Vec::with_capacity(TABLES.len());
        for (table, key) in TABLES {
            let (rows, digest) = self.digest_of(table, key, &to.columns_of(table).await?).await?;
            moved.push(Moved { table, rows, digest });
        }
        Ok(moved)
    }

    async fn copy_table(
        &self,
        to: &Self,
        table: &'static str,
        key: &str,
        progress: &mut (dyn FnMut(&str, u64) + Send),
    ) -> Result<(), CatalogueError> {
        let columns = to.columns_of(table).await?;
        let mut there = if table == "sequence" { 0 } else { to.count_of(table).await? };
        let mut batches = self.rows_of(table, key, &columns, there).try_chunks(BATCH);
        while let Some(rows) = batches.try_next().await.map_err(|e| e.1)? {
            let mut tx = to.begin().await?;
            for row in &rows {
                to.insert_row(&mut tx, table, &columns, row).await?;
            }
            tx.commit().await?;
            there += rows.len() as i64;
            progress(table, there.unsigned_abs());
        }
        to.after_copy(table).await
    }

    async fn insert_row(&self, tx: &mut Tx, table: &str, columns: &[Column], row: &DbRow) -> Result<(), CatalogueError> {
        if table == "sighting" {
            self.make_day(tx, Day(row.try_get("day")?)).await?;
        }
        let names = columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let values = crate::engine::placeholders(1, columns.len());
        let and = match table {
            // The database would number them itself.
            "deletion" => "OVERRIDING SYSTEM VALUE ",
            _ => "",
        };
        let or = if table == "sequence" { " ON CONFLICT (name) DO UPDATE SET value = excluded.value" } else { "" };
        let sql = format!("INSERT INTO {table} ({names}) {and}VALUES ({values}){or}");
        // A real number may be missing; see `engine`.
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(columns.iter().all(|c| c.kind != Kind::Real));
        for Column { name, kind } in columns {
            let name = name.as_str();
            query = match kind {
                Kind::Whole => query.bind(whole(row, name)?),
                Kind::Real => query.bind(row.try_get::<Option<f64>, _>(name)?),
                Kind::Text => query.bind(row.try_get::<Option<String>, _>(name)?),
                Kind::Bytes => query.bind(row.try_get::<Option<Vec<u8>>, _>(name)?),
            };
        }
        query.execute(&mut **tx).await?;
        Ok(())
    }

    /// What the database numbers itself goes on after what was copied.
    async fn after_copy(&self, table: &str) -> Result<(), CatalogueError> {
        if table == "deletion" {
            let sql = "SELECT setval(pg_get_serial_sequence('deletion', 'id'), COALESCE((SELECT max(id) FROM deletion), 1),
                       EXISTS (SELECT 1 FROM deletion))";
            sqlx::query(sql).execute(self.writer()).await?;
        }
        Ok(())
    }

    async fn columns_of(&self, table: &str) -> Result<Vec<Column>, CatalogueError> {
        let rows = sqlx::query(
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
        )
        .bind(table)
        .fetch_all(self.reader())
        .await?;
        let column = |row: &DbRow| -> Result<Column, CatalogueError> {
            let kind = match row.try_get::<&str, _>("kind")? {
                "bigint" | "integer" => Kind::Whole,
                "double precision" => Kind::Real,
                "text" => Kind::Text,
                "bytea" => Kind::Bytes,
                other => return Err(CatalogueError::unreadable(format!("column of {table}, of type {other}"))),
            };
            Ok(Column { name: row.try_get("name")?, kind })
        };
        rows.iter().map(column).collect()
    }

    async fn count_of(&self, table: &str) -> Result<i64, CatalogueError> {
        Ok(sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(self.reader()).await?)
    }

    /// In one query: a page each would have the database walk over everything before it again.
    fn rows_of(
        &self,
        table: &str,
        key: &str,
        columns: &[Column],
        from: i64,
    ) -> impl Stream<Item = Result<DbRow, CatalogueError>> + '_ + use<'_> {
        let names = columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {names} FROM {table} ORDER BY {key} LIMIT {} OFFSET {from}", i64::MAX);
        sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(self.reader()).map_err(CatalogueError::from)
    }

    /// How many rows there are, and a digest of them: each value with its kind and its length, so that no two tables that
    /// differ have the same.
    async fn digest_of(&self, table: &str, key: &str, columns: &[Column]) -> Result<(u64, [u8; 32]), CatalogueError> {
        let (mut digest, mut count) = (Sha256::new(), 0);
        let mut rows = self.rows_of(table, key, columns, 0);
        while let Some(row) = rows.try_next().await? {
            count += 1;
            for Column { name, kind } in columns {
                let name = name.as_str();
                let bytes = match kind {
                    Kind::Whole => whole(&row, name)?.map(|n| n.to_be_bytes().to_vec()),
                    Kind::Real => row.try_get::<Option<f64>, _>(name)?.map(|n| n.to_bits().to_be_bytes().to_vec()),
                    Kind::Text => row.try_get::<Option<String>, _>(name)?.map(String::into_bytes),
                    Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(name)?,
                };
                digest.update(bytes.as_ref().map_or(u64::MAX, |b| b.len() as u64).to_be_bytes());
                digest.update(bytes.unwrap_or_default());
            }
        }
        Ok((count, digest.finalize().into()))
    }

    /// Copies every crop that is not there yet, then reads all of them on both sides and compares. Returns how many there are,
    /// with a digest over them by sighting.
    ///
    /// # Errors
    /// [`CatalogueError::NotTheSame`] where a crop is missing or differs.
    pub async fn move_crops(
        &self,
        to: &Self,
        progress: &mut (dyn FnMut(&str, u64) + Send),
    ) -> Result<(u64, [u8; 32]), CatalogueError> {
        let (mut all, mut done) = (BTreeMap::new(), 0);
        for day in self.days().await? {
            let ids = self.ids(day).await?;
            let there: std::collections::HashSet<_> = to.inner.crops.list(day).await?.0.into_iter().collect();
            let one = |id| {
                let missing = !there.contains(&id);
                async move {
                    let gone = || CatalogueError::NotTheSame { what: format!("the crop of sighting {id}") };
                    let here = self.inner.crops.get(day, id).await?.ok_or_else(gone)?;
                    if missing {
                        to.inner.crops.put(day, id, here.to_vec(), false).await?;
                    }
                    if to.inner.crops.get(day, id).await?.as_ref() == Some(&here) {
                        return Ok((id, Sha256::digest(&here)));
                    }
                    // One that a killed process had begun, or somebody else's: once more.
                    to.inner.crops.put(day, id, here.to_vec(), false).await?;
                    match to.inner.crops.get(day, id).await? {
                        Some(copy) if copy == here => Ok((id, Sha256::digest(&here))),
                        _ => Err(gone()),
                    }
                }
            };
            let mut copies = stream::iter(ids.into_iter().map(one)).buffer_unordered(CROPS_AT_ONCE);
            while let Some((id, digest)) = copies.try_next().await? {
                all.insert(id, digest);
                done += 1;
                progress("crops", done);
            }
        }
        Ok((done, digest_of_crops(&all)))
    }

    /// What [`Self::move_crops`] said of a move that finished. Only the source is read.
    ///
    /// # Errors
    /// [`CatalogueError::NotTheSame`] where the source lacks a crop.
    pub async fn moved_crops(&self) -> Result<(u64, [u8; 32]), CatalogueError> {
        let mut all = BTreeMap::new();
        for day in self.days().await? {
            for id in self.ids(day).await? {
                let gone = || CatalogueError::NotTheSame { what: format!("the crop of sighting {id}") };
                let crop = self.inner.crops.get(day, id).await?.ok_or_else(gone)?;
                all.insert(id, Sha256::digest(&crop));
            }
        }
        Ok((all.len() as u64, digest_of_crops(&all)))
    }
}

/// One digest over the digests of all crops, by sighting.
fn digest_of_crops<D: AsRef<[u8]>>(all: &BTreeMap<SightingId, D>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (id, crop) in all {
        digest.update(id.0.as_bytes());
        digest.update(crop.as_ref());
    }
    digest.finalize().into()
}

/// A whole number, of 32 bits or of 64.
fn whole(row: &DbRow, name: &str) -> Result<Option<i64>, CatalogueError> {
    use sqlx::any::AnyTypeInfoKind;
    let value = row.try_get_raw(name)?;
    if value.is_null() {
        return Ok(None);
    }
    match value.type_info().kind() {
        AnyTypeInfoKind::Integer => Ok(Some(row.try_get::<i32, _>(name)?.into())),
        _ => Ok(Some(row.try_get(name)?)),
    }
}
