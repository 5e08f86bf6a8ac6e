//! What may be searched has changed, for whoever streams.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts changes of what may be searched, so that whoever streams looks again.
#[derive(Debug, Default)]
pub(crate) struct Rules(AtomicU64);

impl Rules {
    /// A camera's policy or a case has changed.
    pub(crate) fn changed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
