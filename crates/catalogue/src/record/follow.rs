//! Reads the record on, and answers by what it came to. See [`Recorded`].

use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use access::AuditEntry;
use sqlx::Row;
use types::CaseId;

use super::{audit::record, known::RecordedGrantKey, recorded::Recorded};
use crate::{
    Catalogue, CatalogueError, StoredCase,
    cases::stored::stored,
    engine::{DbRow, Tx},
};

/// Rows read at once.
const PAGE: i64 = 4096;

impl Catalogue {
    pub(crate) fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.inner.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes entries that were just written, and what somebody else wrote before them.
    pub(crate) async fn followed<'a>(&self, entries: impl Iterator<Item = (u64, &'a AuditEntry)>) {
        let all = self.recorded().follow(entries);
        if !all && let Err(error) = self.follow_record().await {
            tracing::error!(%error, "the record was not read to its end: what it says counts once it is");
        }
    }

    /// Reads what the record has more than was read of it. Call it before the first decision, and where other servers may have
    /// written entries.
    pub async fn follow_record(&self) -> Result<(), CatalogueError> {
        loop {
            let upto = self.recorded().upto.cast_signed();
            let query = sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2").bind(upto).bind(PAGE);
            if self.read_on(&query.fetch_all(self.reader()).await?)? {
                return Ok(());
            }
        }
    }

    /// As [`Self::follow_record`], in a change that is begun: it waits for no other connection.
    pub(crate) async fn follow_record_in(&self, tx: &mut Tx) -> Result<(), CatalogueError> {
        loop {
            let upto = self.recorded().upto.cast_signed();
            let query = sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2").bind(upto).bind(PAGE);
            if self.read_on(&query.fetch_all(&mut **tx).await?)? {
                return Ok(());
            }
        }
    }

    /// Whether these were the last.
    fn read_on(&self, rows: &[DbRow]) -> Result<bool, CatalogueError> {
        let mut recorded = self.recorded();
        for row in rows {
            let seq = row.try_get::<i64, _>("seq")?.unsigned_abs();
            recorded.take(seq, record(row).ok().map(|record| record.entry).as_ref());
        }
        Ok((rows.len() as i64) < PAGE)
    }

    /// The numbers of a case's entries, in order.
    pub(crate) async fn entries_of(&self, case: &CaseId) -> Result<Vec<i64>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().of_case.get(case).cloned().unwrap_or_default())
    }

    /// A case to decide by: one that the record has closed is closed, whatever its row says.
    pub(crate) fn as_recorded(&self, row: &DbRow) -> Result<StoredCase, CatalogueError> {
        let mut stored = stored(row)?;
        if stored.case.closed.is_none() {
            stored.case.closed = self.recorded().ended.get(stored.case.id()).map(|ended| ended.closed.clone());
        }
        let taken = self.recorded().spent(stored.case.id());
        stored.spent.queries = stored.spent.queries.max(taken.queries);
        stored.spent.results = stored.spent.results.max(taken.results);
        Ok(stored)
    }

    /// Serial numbers of the certificates that the record says are revoked, also where their row is gone.
    pub async fn revoked_on_record(&self) -> Result<Vec<String>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().revoked.keys().cloned().collect())
    }

    /// Whether a certificate is on the record, as far as it was read: what other servers wrote since may be missing.
    pub fn is_certificate_known(&self, serial: &str, key_sha256: &str) -> bool {
        self.recorded().known.certificates.contains(&(serial.to_owned(), key_sha256.to_owned()))
    }

    /// The grant keys that the record says are trusted.
    pub async fn grant_keys_on_record(&self) -> Result<BTreeSet<RecordedGrantKey>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().known.grant_keys.clone())
    }

    /// Fingerprints of the authorities that the record says are trusted.
    pub async fn authorities_on_record(&self) -> Result<BTreeSet<String>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().known.authorities.clone())
    }

    /// What the record says of the keys that the log has had; `None` where it still has its first one.
    pub async fn log_keys_on_record(&self) -> Result<Option<String>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().known.log_keys.clone())
    }
}
