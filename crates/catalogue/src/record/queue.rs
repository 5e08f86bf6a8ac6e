//! Entries that wait to be committed together.

use std::sync::{Mutex, PoisonError};

use access::{AuditEntry, AuditError, AuditReceipt};
use tokio::sync::oneshot;

/// Entries of one commit at most, so that no caller waits for a whole crowd.
const BATCH: usize = 256;

pub(super) type Taken = Result<AuditReceipt, AuditError>;

/// An entry that waits for the next commit.
pub(super) struct Waiting {
    pub(super) entry: AuditEntry,
    pub(super) bytes: Vec<u8>,
    pub(super) done: oneshot::Sender<Taken>,
}

/// Entries that came while a commit was under way share the next one: the disk is asked once for all of them.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Queued>);

#[derive(Default)]
struct Queued {
    commits: u64,
    waiting: Vec<Waiting>,
    /// Somebody commits, and will take what comes.
    running: bool,
}

impl Queue {
    /// Whether the caller has to start somebody who commits.
    pub(super) fn push(&self, entry: Waiting) -> bool {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queued.waiting.push(entry);
        !std::mem::replace(&mut queued.running, true)
    }

    pub(super) fn commits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).commits
    }

    /// The next batch; `None` ends the turn of whoever commits.
    pub(super) fn take(&self) -> Option<Vec<Waiting>> {
        let mut queued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queued.waiting.is_empty() {
            queued.running = false;
            return None;
        }
        queued.commits += 1;
        let count = queued.waiting.len().min(BATCH);
        Some(queued.waiting.drain(..count).collect())
    }
}
