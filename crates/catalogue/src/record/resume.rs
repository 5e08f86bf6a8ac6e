//! What a copy of a catalogue is made by, and how one that is older than its record goes on from it.

use std::{collections::BTreeMap, path::Path};

use access::{AuditEntry, Charge};
use types::CaseId;

use crate::{Catalogue, CatalogueError, Look, engine, engine::Lock};

/// Entries of one transaction.
const BATCH: usize = 500;

impl Catalogue {
    /// Looks at a database of any version without changing it; `None` where there is none.
    pub async fn look_at(file: &Path) -> Result<Option<Look>, CatalogueError> {
        engine::look_at(file).await
    }

    /// Writes the database in the file `from`, as it is at one moment, to the file `to`, which must not be there. Servers may read
    /// and write it meanwhile; a deletion that wants the database's files written anew waits and is tried again.
    ///
    /// # Errors
    /// [`CatalogueError::NotACatalogue`], [`CatalogueError::DiskFull`], and what the database says.
    pub async fn copy_database(from: &Path, to: &Path) -> Result<(), CatalogueError> {
        engine::copy_file(from, to).await
    }

    /// Goes on with the record by entries that another copy of it has: `entries` are the bytes of what follows here. Whoever calls
    /// this has held them against a checkpoint. What they took of cases' budgets is taken; what opened their commitments is lost.
    /// Returns how many entries there are now.
    ///
    /// # Errors
    /// [`CatalogueError::BrokenRecord`] where one can't be read: nothing after the batch before it was stored.
    pub async fn resume_record(&self, entries: &[Vec<u8>]) -> Result<u64, CatalogueError> {
        for batch in entries.chunks(BATCH) {
            self.resume_batch(batch).await?;
        }
        self.audit_len().await
    }

    async fn resume_batch(&self, batch: &[Vec<u8>]) -> Result<(), CatalogueError> {
        let mut tx = self.begin_alone(Lock::Record).await?;
        let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM audit").fetch_one(&mut *tx).await?;
        let mut spent: BTreeMap<CaseId, (i64, i64)> = BTreeMap::new();
        for (seq, bytes) in (last.unwrap_or_default() + 1..).zip(batch) {
            let unreadable = |_| CatalogueError::BrokenRecord { seq: seq.unsigned_abs(), what: "it can't be read" };
            let entry = AuditEntry::from_bytes(bytes).map_err(unreadable)?;
            sqlx::query("INSERT INTO audit (seq, at, action, phase, case_id, entry) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(seq)
                .bind(entry.at.as_micros())
                .bind(entry.action.as_str())
                .bind(entry.phase.as_str())
                .bind(entry.case.as_ref().map(CaseId::as_str))
                .bind(bytes.as_slice())
                .execute(&mut *tx)
                .await?;
            if let (Some(charge), Some(case)) = (entry.charge, &entry.case) {
                let (queries, results) = spent.entry(case.clone()).or_default();
                match charge {
                    Charge::Take { queries: q, results: r, .. } => {
                        (*queries, *results) = (*queries + i64::from(q), *results + i64::from(r))
                    }
                    Charge::GiveBack { results: r } => *results -= i64::from(r),
                }
            }
        }
        for (case, (queries, results)) in spent {
            // A case that was opened later is not there; nobody searches under it.
            sqlx::query(
                "UPDATE case_file SET spent_queries = spent_queries + $2,
                 spent_results = CASE WHEN spent_results + $3 < 0 THEN 0 ELSE spent_results + $3 END WHERE id = $1",
            )
            .bind(case.as_str())
            .bind(queries)
            .bind(results)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }
}
