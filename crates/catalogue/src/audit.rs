use access::{AuditEntry, AuditError, AuditLog, AuditReceipt};
use async_trait::async_trait;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use types::CaseId;

use crate::{Catalogue, CatalogueError, row::digest};

/// How many entries are read at once when the whole record is walked.
const PAGE: u32 = 1_000;

/// An entry with its place in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub entry: AuditEntry,
    pub receipt: AuditReceipt,
}

/// The record as a whole, as [`Catalogue::verify_audit`] found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditState {
    pub entries: u64,
    /// Of the last entry; `None` if there is none.
    pub head: Option<AuditReceipt>,
}

#[async_trait]
impl AuditLog for Catalogue {
    /// Entry and charge are one transaction, on disk when this returns.
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError> {
        let bytes = entry.to_bytes()?;
        let unavailable = |e: CatalogueError| AuditError::Unavailable(Box::new(e));
        let mut tx = self.begin().await.map_err(unavailable)?;
        if let (Some(charge), Some(case)) = (entry.charge, &entry.case) {
            let before = spent(&mut tx, case).await.map_err(unavailable)?;
            let after = charge.book(before)?;
            set_spent(&mut tx, case, after).await.map_err(unavailable)?;
        }
        let receipt = append(&mut tx, &entry, &bytes).await.map_err(unavailable)?;
        tx.commit().await.map_err(|e| unavailable(e.into()))?;
        Ok(receipt)
    }
}

impl Catalogue {
    /// The entries after `seq`, in order, at most `limit`; those of one case if given.
    pub async fn audit_since(&self, seq: u64, case: Option<&CaseId>, limit: u32) -> Result<Vec<AuditRecord>, CatalogueError> {
        let query = sqlx::query(
            "SELECT seq, entry, chain FROM audit WHERE seq > $1 AND ($2 IS NULL OR case_id = $2) ORDER BY seq LIMIT $3",
        )
        .bind(seq.cast_signed())
        .bind(case.map(CaseId::as_str))
        .bind(limit);
        query.fetch_all(self.reader()).await?.iter().map(|row| Ok(record(row)?.0)).collect()
    }

    /// Walks the whole record and recomputes every link.
    ///
    /// # Errors
    /// [`CatalogueError::BrokenRecord`] at the first entry that is missing, changed or out of place.
    pub async fn verify_audit(&self) -> Result<AuditState, CatalogueError> {
        let mut head: Option<AuditReceipt> = None;
        loop {
            let after = head.as_ref().map_or(0, |h| h.seq);
            let query = sqlx::query("SELECT seq, entry, chain FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(after.cast_signed())
                .bind(PAGE);
            let rows = query.fetch_all(self.reader()).await?;
            if rows.is_empty() {
                return Ok(AuditState { entries: after, head });
            }
            for row in &rows {
                let (AuditRecord { receipt, .. }, bytes) = record(row)?;
                let expected = AuditReceipt::following(head.as_ref(), &bytes);
                if receipt.seq != expected.seq {
                    return Err(CatalogueError::BrokenRecord { seq: expected.seq, what: "it is missing" });
                }
                if receipt.chain != expected.chain {
                    return Err(CatalogueError::BrokenRecord { seq: receipt.seq, what: "it, or one before it, was changed" });
                }
                head = Some(receipt);
            }
        }
    }
}

async fn append(tx: &mut Transaction<'static, Sqlite>, entry: &AuditEntry, bytes: &[u8]) -> Result<AuditReceipt, CatalogueError> {
    let last = sqlx::query("SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(&mut **tx).await?;
    let previous = last.as_ref().map(receipt).transpose()?;
    let receipt = AuditReceipt::following(previous.as_ref(), bytes);
    sqlx::query("INSERT INTO audit (seq, at, action, phase, case_id, entry, chain) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(receipt.seq.cast_signed())
        .bind(entry.at.as_micros())
        .bind(entry.action.as_str())
        .bind(entry.phase.as_str())
        .bind(entry.case.as_ref().map(CaseId::as_str))
        .bind(bytes)
        .bind(receipt.chain.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(receipt)
}

async fn spent(tx: &mut Transaction<'static, Sqlite>, case: &CaseId) -> Result<(u64, u64), CatalogueError> {
    let query = sqlx::query_as("SELECT spent_queries, spent_results FROM case_file WHERE id = $1").bind(case.as_str());
    let row: Option<(i64, i64)> = query.fetch_optional(&mut **tx).await?;
    row.map(|(q, r)| (q.unsigned_abs(), r.unsigned_abs())).ok_or_else(|| CatalogueError::UnknownCase(case.clone()))
}

async fn set_spent(
    tx: &mut Transaction<'static, Sqlite>,
    case: &CaseId,
    (queries, results): (u64, u64),
) -> Result<(), CatalogueError> {
    sqlx::query("UPDATE case_file SET spent_queries = $2, spent_results = $3 WHERE id = $1")
        .bind(case.as_str())
        .bind(queries.cast_signed())
        .bind(results.cast_signed())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn receipt(row: &SqliteRow) -> Result<AuditReceipt, CatalogueError> {
    Ok(AuditReceipt { seq: row.try_get::<i64, _>("seq")?.unsigned_abs(), chain: digest(row.try_get("chain")?)? })
}

fn record(row: &SqliteRow) -> Result<(AuditRecord, Vec<u8>), CatalogueError> {
    let receipt = receipt(row)?;
    let bytes: Vec<u8> = row.try_get("entry")?;
    let unreadable = |_| CatalogueError::BrokenRecord { seq: receipt.seq, what: "it can't be read" };
    let entry = AuditEntry::from_bytes(&bytes).map_err(unreadable)?;
    Ok((AuditRecord { entry, receipt }, bytes))
}
