//! State of an index that several servers share: the leader's lease and its progress.

use std::{
    sync::atomic::{AtomicBool, AtomicU64},
    time::Duration,
};

use parking_lot::Mutex;
use types::{Day, SightingId};

use crate::leadership::{Leadership, Progress};

/// How long another server may take to feed what somebody waits for.
pub const FED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) leadership: Leadership,
    /// What this server published or read last.
    pub(super) progress: Mutex<Progress>,
    /// The last purge that was carried out here.
    pub(super) purged: AtomicU64,
    /// Written, and not known yet whether this server was still the leader.
    pub(super) unconfirmed: Mutex<Vec<(Day, SightingId)>>,
    /// Tombstones may have been pruned before this index applied them: validate it before use.
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
