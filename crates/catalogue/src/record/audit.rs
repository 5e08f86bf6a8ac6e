//! The record: entries in their order, each durable before anybody is told, many of them in one commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use access::{AuditEntry, AuditError, AuditLog, AuditReceipt, Matter, Sealed};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::oneshot;
use types::CaseId;

use super::queue::{Taken, Waiting};
use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Lock, Tx, in_lists, insert_batches, rows},
    row::digest,
};

/// An entry with its place in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub entry: AuditEntry,
    pub receipt: AuditReceipt,
    /// The exact bytes that are hashed.
    pub bytes: Vec<u8>,
}

#[async_trait]
impl AuditLog for Catalogue {
    /// Entry, charge and what opens its commitments are one transaction, on disk when this returns. Whoever stops waiting
    /// leaves the entry where it is: a call that was cut off is on the record.
    async fn append(&self, entry: AuditEntry) -> Taken {
        let bytes = entry.to_bytes()?;
        if bytes.len() > access::log::MAX_ENTRY {
            return Err(unavailable(format!("an entry has {} bytes; at most {} fit", bytes.len(), access::log::MAX_ENTRY)));
        }
        let (done, answer) = oneshot::channel();
        if self.inner.queue.push(Waiting { entry, bytes, done }) {
            let catalogue = self.clone();
            tokio::spawn(async move {
                while let Some(batch) = catalogue.inner.queue.take() {
                    catalogue.commit(batch).await;
                }
            });
        }
        answer.await.unwrap_or_else(|_| Err(unavailable("the catalogue was closed")))
    }
}

impl Catalogue {
    async fn commit(&self, batch: Vec<Waiting>) {
        let (entries, waiting): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| ((w.entry, w.bytes), w.done)).unzip();
        match self.write(&entries).await {
            Ok(taken) => waiting.into_iter().zip(taken).for_each(|(done, taken)| drop(done.send(taken))),
            Err(error) => {
                // One error for many: nothing of the batch was stored.
                let error = Arc::new(error);
                waiting.into_iter().for_each(|done| drop(done.send(Err(unavailable(Shared(Arc::clone(&error)))))));
            }
        }
    }

    /// One transaction. A charge that is refused, or of a case that is not there, refuses its own entry alone. As few statements
    /// as possible, however many entries: each is a turn of the database's thread.
    async fn write(&self, entries: &[(AuditEntry, Vec<u8>)]) -> Result<Vec<Taken>, CatalogueError> {
        let mut tx = self.begin_alone(Lock::Record).await?;
        let Ledger { mut last, mut spent } = Ledger::open(&mut tx, entries).await?;
        // What the record says was taken counts as well, whatever somebody made of the row: nobody else writes to it meanwhile.
        if !spent.is_empty() {
            if self.recorded().upto() < last {
                self.follow_record_in(&mut tx).await?;
            }
            let recorded = self.recorded();
            for (case, (queries, results)) in &mut spent {
                let taken = recorded.spent(case);
                if (*queries, *results) != (taken.queries, taken.results) {
                    tracing::error!(%case, "what a case used of its budgets is not what the record says: the larger counts");
                }
                (*queries, *results) = ((*queries).max(taken.queries), (*results).max(taken.results));
            }
        }
        let before = spent.clone();
        let (mut taken, mut rows) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for (entry, bytes) in entries {
            if let (Some(charge), Some(case)) = (entry.charge, &entry.case) {
                let booked = match spent.get_mut(case) {
                    Some(spent) => charge.book(*spent).map(|after| *spent = after),
                    None => Err(unavailable(CatalogueError::UnknownCase(case.clone()))),
                };
                if let Err(refused) = booked {
                    taken.push(Err(refused));
                    continue;
                }
            }
            last += 1;
            rows.push(Row { seq: last.cast_signed(), entry, bytes });
            taken.push(Ok(AuditReceipt::of(last, bytes)));
        }
        for row in rows.iter().filter(|row| !row.entry.detail.handed.is_empty()) {
            note_handed_out(&mut tx, row).await?;
        }
        for (case, (queries, results)) in spent.iter().filter(|(case, after)| before.get(*case) != Some(after)) {
            sqlx::query("UPDATE case_file SET spent_queries = $2, spent_results = $3 WHERE id = $1")
                .bind(case.as_str())
                .bind(queries.cast_signed())
                .bind(results.cast_signed())
                .execute(&mut *tx)
                .await?;
        }
        for some in insert_batches(&rows) {
            insert(&mut tx, some).await?;
        }
        for row in &rows {
            seal(&mut tx, row).await?;
        }
        tx.commit().await?;
        self.followed(rows.iter().map(|row| (row.seq.unsigned_abs(), row.entry))).await;
        Ok(taken)
    }

    /// The entries after `seq`, in order, at most `limit`; those of one case if given. Which those are the entries say, not the
    /// columns beside them.
    ///
    /// # Errors
    /// [`CatalogueError::BrokenRecord`] where a case is given and an entry can't be read: it may be one of the case.
    pub async fn audit_since(&self, seq: u64, case: Option<&CaseId>, limit: u32) -> Result<Vec<AuditRecord>, CatalogueError> {
        let Some(case) = case else {
            let query = sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(seq.cast_signed())
                .bind(i64::from(limit));
            return query.fetch_all(self.reader()).await?.iter().map(record).collect();
        };
        let mut of_case = self.entries_of(case).await?;
        if let Some(seq) = self.recorded().unreadable() {
            return Err(CatalogueError::BrokenRecord { seq, what: "it can't be read" });
        }
        of_case.retain(|of_case| *of_case > seq.cast_signed());
        of_case.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut records = Vec::with_capacity(of_case.len());
        for (list, some) in in_lists(&of_case, 1) {
            let sql = format!("SELECT seq, entry FROM audit WHERE seq IN ({list}) ORDER BY seq");
            let query = some.fold(sqlx::query(AssertSqlSafe(sql)), |query, seq| query.bind(*seq));
            for row in query.fetch_all(self.reader()).await? {
                records.push(record(&row)?);
            }
        }
        Ok(records)
    }

    /// The bytes of the entries after `seq`, in order and without a gap, at most `limit`.
    ///
    /// # Errors
    /// [`CatalogueError::BrokenRecord`] where one is missing.
    pub async fn audit_bytes_since(&self, seq: u64, limit: u32) -> Result<Vec<Vec<u8>>, CatalogueError> {
        let query = sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq.cast_signed())
            .bind(i64::from(limit));
        let rows = query.fetch_all(self.reader()).await?;
        (seq + 1..)
            .zip(&rows)
            .map(|(seq, row)| {
                let found: i64 = row.try_get("seq")?;
                if found.unsigned_abs() != seq {
                    return Err(CatalogueError::BrokenRecord { seq, what: "it is missing" });
                }
                Ok(row.try_get("entry")?)
            })
            .collect()
    }

    /// How many entries there are; 0 before the first.
    pub async fn audit_len(&self) -> Result<u64, CatalogueError> {
        last_seq(self.reader()).await
    }

    /// How many commits the entries since the catalogue was opened took.
    pub fn audit_commits(&self) -> u64 {
        self.inner.queue.commits()
    }

    /// What opens the commitments of one entry, as far as it was not erased.
    pub async fn sealed(&self, seq: u64) -> Result<Vec<Sealed>, CatalogueError> {
        let query = sqlx::query("SELECT matter, salt, words FROM sealed WHERE seq = $1 ORDER BY matter").bind(seq.cast_signed());
        query.fetch_all(self.reader()).await?.iter().map(sealed).collect()
    }

    /// Forgets what opens the commitments of a case: what was written is from then on in no entry and nowhere beside them.
    /// Which entries are the case's the entries say, not the columns beside them.
    /// Returns how many.
    pub async fn erase_salts(&self, case: &CaseId) -> Result<u64, CatalogueError> {
        let mut gone = 0;
        for (list, some) in in_lists(&self.entries_of(case).await?, 1) {
            let sql = format!("DELETE FROM sealed WHERE seq IN ({list})");
            let query = some.fold(sqlx::query(AssertSqlSafe(sql)), |query, seq| query.bind(*seq));
            gone += query.execute(self.writer()).await?.rows_affected();
        }
        Ok(gone)
    }
}

/// Adds one entry, without a charge and without anything to open its commitments, to a change that holds [`Lock::Record`].
pub(crate) async fn append_in(tx: &mut Tx, entry: AuditEntry) -> Result<(u64, AuditEntry), CatalogueError> {
    let bytes = entry.to_bytes().map_err(|e| CatalogueError::Database(Box::new(e)))?;
    let seq = last_seq(&mut **tx).await? + 1;
    insert(tx, &[Row { seq: seq.cast_signed(), entry: &entry, bytes: &bytes }]).await?;
    Ok((seq, entry))
}

async fn last_seq<'e>(from: impl sqlx::Executor<'e, Database = sqlx::Any>) -> Result<u64, CatalogueError> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM audit").fetch_one(from).await?;
    Ok(seq.unwrap_or_default().unsigned_abs())
}

/// What entries are booked in.
struct Ledger {
    /// The last entry.
    last: u64,
    /// Of each case that is charged and is there: queries and results.
    spent: BTreeMap<CaseId, (u64, u64)>,
}

impl Ledger {
    async fn open(tx: &mut Tx, entries: &[(AuditEntry, Vec<u8>)]) -> Result<Self, CatalogueError> {
        let charged: BTreeSet<_> = entries.iter().filter_map(|(e, _)| e.charge.and(e.case.as_ref())).collect();
        let charged: Vec<_> = charged.into_iter().collect();
        let mut books = Self { last: 0, spent: BTreeMap::new() };
        let mut lists = in_lists(&charged, 1);
        let Some((list, cases)) = lists.next() else {
            books.last = last_seq(&mut **tx).await?;
            return Ok(books);
        };
        debug_assert!(lists.next().is_none(), "a batch has no more cases than a list");
        let sql = format!(
            "SELECT '' AS id, COALESCE(max(seq), 0) AS one, 0 AS two FROM audit
             UNION ALL SELECT id, spent_queries, spent_results FROM case_file WHERE id IN ({list})"
        );
        let query = cases.fold(sqlx::query(AssertSqlSafe(sql)), |query, case| query.bind(case.as_str()));
        for row in query.fetch_all(&mut **tx).await? {
            let number = |column: &str| -> Result<u64, CatalogueError> { Ok(row.try_get::<i64, _>(column)?.unsigned_abs()) };
            match row.try_get("id")? {
                "" => books.last = number("one")?,
                id => {
                    let case = CaseId::new(id).map_err(|_| CatalogueError::unreadable(format!("case {id:?}")))?;
                    books.spent.insert(case, (number("one")?, number("two")?));
                }
            }
        }
        Ok(books)
    }
}

struct Row<'a> {
    seq: i64,
    entry: &'a AuditEntry,
    bytes: &'a [u8],
}

impl Row<'_> {
    fn case(&self) -> Option<&str> {
        self.entry.case.as_ref().map(CaseId::as_str)
    }
}

async fn insert(tx: &mut Tx, some: &[Row<'_>]) -> Result<(), CatalogueError> {
    let sql = format!("INSERT INTO audit (seq, at, action, phase, case_id, entry) VALUES {}", rows(6, some.len()));
    let query = some.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, row| {
        let Row { seq, entry, bytes } = row;
        let query = query.bind(seq).bind(entry.at.as_micros()).bind(entry.action.as_str());
        query.bind(entry.phase.as_str()).bind(row.case()).bind(*bytes)
    });
    query.execute(&mut **tx).await?;
    Ok(())
}

/// What was handed out under a case, beside the entry that says how much that was.
async fn note_handed_out(tx: &mut Tx, row: &Row<'_>) -> Result<(), CatalogueError> {
    let Some(case) = row.case() else { return Ok(()) };
    for some in insert_batches(&row.entry.detail.handed) {
        let sql = format!("INSERT INTO handed_out (case_id, sighting) VALUES {} ON CONFLICT DO NOTHING", rows(2, some.len()));
        let query =
            some.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(case).bind(id.0.as_bytes().as_slice()));
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// What opens an entry's commitments, beside it.
async fn seal(tx: &mut Tx, row: &Row<'_>) -> Result<(), CatalogueError> {
    for sealed in &row.entry.detail.sealed {
        sqlx::query("INSERT INTO sealed (seq, matter, case_id, salt, words) VALUES ($1, $2, $3, $4, $5)")
            .bind(row.seq)
            .bind(sealed.matter.as_str())
            .bind(row.case())
            .bind(sealed.salt.as_slice())
            .bind(&sealed.words)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(crate) fn record(row: &DbRow) -> Result<AuditRecord, CatalogueError> {
    let seq = row.try_get::<i64, _>("seq")?.unsigned_abs();
    let bytes: Vec<u8> = row.try_get("entry")?;
    let unreadable = |_| CatalogueError::BrokenRecord { seq, what: "it can't be read" };
    let entry = AuditEntry::from_bytes(&bytes).map_err(unreadable)?;
    Ok(AuditRecord { entry, receipt: AuditReceipt::of(seq, &bytes), bytes })
}

pub(crate) fn sealed(row: &DbRow) -> Result<Sealed, CatalogueError> {
    let matter: &str = row.try_get("matter")?;
    let matter = Matter::parse(matter).ok_or_else(|| CatalogueError::unreadable(format!("commitment of {matter:?}")))?;
    Ok(Sealed { matter, salt: digest(row.try_get("salt")?)?, words: row.try_get("words")? })
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuditError {
    AuditError::Unavailable(error.into())
}

/// An error that many are told of.
#[derive(Debug)]
struct Shared(Arc<CatalogueError>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
