//! How many decoders there are and how they ended, since this process began.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Death;

static STARTED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
static DIED: [AtomicU64; Death::REASONS.len()] = [const { AtomicU64::new(0) }; Death::REASONS.len()];

/// Decoders of this process, since it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoders {
    /// Processes that were started.
    pub started: u64,
    /// Processes that run now.
    pub running: u64,
    /// By their reason; all reasons, in the same order each time.
    pub died: Vec<(&'static str, u64)>,
}

/// Counted since this process began.
pub fn decoders() -> Decoders {
    let ended = ENDED.load(Ordering::Relaxed);
    let started = STARTED.load(Ordering::Relaxed);
    let died = Death::REASONS.iter().zip(&DIED).map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)));
    Decoders { started, running: started.saturating_sub(ended), died: died.collect() }
}

pub(super) fn started() {
    STARTED.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn ended() {
    ENDED.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn died(how: Death) {
    if let Some(count) = Death::REASONS.iter().position(|reason| *reason == how.reason()).and_then(|at| DIED.get(at)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
