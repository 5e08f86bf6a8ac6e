use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use types::CaseId;

use crate::{AuditEntry, AuditError, AuditLog, AuditReceipt, Charge};

/// A record that lives and dies with the process: for tests and benches, and the reference for how charges are booked.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<(AuditReceipt, AuditEntry)>,
    spent: BTreeMap<CaseId, (u64, u64)>,
    broken: bool,
}

impl MemoryLog {
    /// An empty log that takes entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// All entries, the first first.
    pub fn entries(&self) -> Vec<AuditEntry> {
        self.lock().entries.iter().map(|(_, e)| e.clone()).collect()
    }

    /// The receipts of all entries, the first first.
    pub fn receipts(&self) -> Vec<AuditReceipt> {
        self.lock().entries.iter().map(|(r, _)| r.clone()).collect()
    }

    /// From now on nothing is taken, as with a full disk.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock()
    }
}

#[async_trait]
impl AuditLog for MemoryLog {
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError> {
        let mut kept = self.lock();
        if kept.broken {
            return Err(AuditError::Unavailable("the log was told to fail".into()));
        }
        if let (Some(charge), Some(case)) = (entry.charge, &entry.case) {
            let spent = kept.spent.entry(case.clone()).or_default();
            *spent = charge.book(*spent)?;
        }
        let bytes = entry.to_bytes()?;
        let receipt = AuditReceipt::of(kept.entries.len() as u64 + 1, &bytes);
        kept.entries.push((receipt.clone(), entry));
        Ok(receipt)
    }
}

impl Charge {
    /// The (queries, results) spent after this, given those before.
    ///
    /// # Errors
    /// [`AuditError::Exhausted`] where the sum would be more than the case may take. Nothing is spent then.
    pub fn book(self, (queries, results): (u64, u64)) -> Result<(u64, u64), AuditError> {
        match self {
            Self::Take { queries: q, results: r, within } => {
                let (after_queries, after_results) = (queries + u64::from(q), results + u64::from(r));
                if after_queries > u64::from(within.queries) || after_results > u64::from(within.results) {
                    return Err(AuditError::Exhausted { used_queries: queries, used_results: results, within });
                }
                Ok((after_queries, after_results))
            }
            Self::GiveBack { results: r } => Ok((queries, results.saturating_sub(u64::from(r)))),
        }
    }
}
