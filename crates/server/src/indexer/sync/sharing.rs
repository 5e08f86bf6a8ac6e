//! What is known where several servers have one index: who feeds it, and what it told the others.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use types::{Day, SightingId};

use crate::indexer::leadership::{Leadership, Progress};

/// How long another server may take to feed what somebody waits for.
pub(crate) const FED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) leadership: Leadership,
    /// As it was last told to, or by, the others.
    pub(super) progress: Mutex<Progress>,
    /// The last purge that was carried out here.
    pub(super) purged: AtomicU64,
    /// Put, and not known whether by a turn that still stood.
    pub(super) unconfirmed: Mutex<Vec<(Day, SightingId)>>,
    /// Nobody saw to it that nothing was forgotten before the index had it.
    pub(super) tombstones_doubted: AtomicBool,
}

impl Sharing {
    pub(super) fn new(leadership: Leadership) -> Self {
        Self {
            leadership,
            progress: Mutex::default(),
            purged: AtomicU64::new(0),
            unconfirmed: Mutex::default(),
            tombstones_doubted: AtomicBool::new(true),
        }
    }
}
