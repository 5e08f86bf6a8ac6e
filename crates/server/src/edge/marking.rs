//! Marks a call as being on the record, by the only way there: whatever a call appends passes here.

use std::{cell::Cell, sync::Arc};

use access::{AuditEntry, AuditError, AuditLog, AuditReceipt};
use async_trait::async_trait;

use crate::record::log::Log;

tokio::task_local! {
    /// Whether the call under way is on the record, as begun or as refused.
    static ON_RECORD: Cell<bool>;
}

/// Runs a call, of which nothing is on the record yet.
pub(crate) async fn call<T>(work: impl Future<Output = T>) -> T {
    ON_RECORD.scope(Cell::new(false), work).await
}

/// Whether the call under way is on the record.
pub(crate) fn is_on_record() -> bool {
    ON_RECORD.try_with(Cell::get).unwrap_or(false)
}

/// The log as calls see it.
#[derive(Debug)]
pub(crate) struct Marking(pub(crate) Arc<Log>);

#[async_trait]
impl AuditLog for Marking {
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError> {
        // Also where it fails: then there is no record to write a refusal to.
        let _ = ON_RECORD.try_with(|marked| marked.set(true));
        self.0.append(entry).await
    }
}
