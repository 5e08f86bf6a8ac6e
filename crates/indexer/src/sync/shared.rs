//! What a shared index needs: one leader, and progress that the others read.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use catalogue::Reason;
use parking_lot::MutexGuard;
use types::{Day, SightingId};

use super::{IndexSync, blocking};
use crate::{
    error::SyncError,
    leadership::{Leads, Progress},
};

const ASK_AGAIN: Duration = Duration::from_millis(50);

impl IndexSync {
    /// Whether this server is the leader. If not, the leader's progress is read.
    pub(super) async fn leads(&self) -> Result<bool, SyncError> {
        let leads = self.sharing.leadership.campaign().await?;
        if leads == Leads::Begins {
            tracing::info!(model = %self.index.spec().model.short(), "this server feeds the index from now on");
            self.index.refresh_topology();
            self.validated.store(false, Ordering::Relaxed);
        }
        self.retract_unfenced().await?;
        if leads == Leads::No {
            self.read_progress().await?;
        }
        Ok(leads != Leads::No)
    }

    /// Reads the leader's progress.
    pub(super) async fn read_progress(&self) -> Result<(), SyncError> {
        let Some(progress) = self.sharing.leadership.read_progress().await? else { return Ok(()) };
        // The leader has validated it, and this server has been there since.
        self.sharing.tombstones_doubted.store(false, Ordering::Relaxed);
        let before = *self.progress_now();
        if (before.epoch, before.topology_version) != (progress.epoch, progress.topology_version) {
            // Before anybody takes what is known now for all there is.
            self.index.refresh_topology();
        }
        *self.progress_now() = progress;
        self.other_model.store(progress.others, Ordering::Relaxed);
        Ok(())
    }

    /// Publishes how far it is; `false` where another server is the leader by now.
    pub(super) async fn publish(&self) -> Result<bool, SyncError> {
        let now = Progress {
            epoch: 0,
            topology_version: self.index.topology_version(),
            applied_seq: self.index.applied_seq(),
            durable_seq: self.index.durable_seq(),
            purged: self.sharing.purged.load(Ordering::Relaxed),
            others: self.other_model(),
        };
        let Some(progress) = self.sharing.leadership.publish(now).await? else { return Ok(false) };
        *self.progress_now() = progress;
        Ok(true)
    }

    /// As [`Self::publish`] after a batch, which is retracted where this server was not the leader any more.
    pub(super) async fn confirm(&self) -> Result<(), SyncError> {
        if !self.publish().await? {
            return self.retract_unfenced().await;
        }
        self.unconfirmed().clear();
        Ok(())
    }

    /// Removes what was written after another server had become the leader and has no row: that server may have removed it before it
    /// came.
    async fn retract_unfenced(&self) -> Result<(), SyncError> {
        let put = self.unconfirmed().clone();
        if put.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = put.iter().map(|(_, id)| *id).collect();
        let there = self.catalogue.maintenance(Reason::Index).sightings(&ids).await?;
        let there: BTreeSet<_> = there.into_iter().map(|s| s.id).collect();
        let gone: Vec<_> = put.into_iter().filter(|(_, id)| !there.contains(id)).collect();
        let index = self.index.clone();
        blocking(move || index.withdraw(&gone)).await?;
        self.unconfirmed().clear();
        Ok(())
    }

    fn progress_now(&self) -> MutexGuard<'_, Progress> {
        self.sharing.progress.lock()
    }

    pub(super) fn unconfirmed(&self) -> MutexGuard<'_, Vec<(Day, SightingId)>> {
        self.sharing.unconfirmed.lock()
    }

    /// Whether the others have not heard how far it is.
    pub(super) fn is_news(&self) -> bool {
        let progress = *self.progress_now();
        (progress.applied_seq, progress.topology_version, progress.others)
            != (self.index.applied_seq(), self.index.topology_version(), self.other_model())
    }

    /// Whether other servers have it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing.leadership.is_shared()
    }

    /// Whether this server is the leader.
    pub(crate) fn is_leader(&self) -> bool {
        self.sharing.leadership.is_leader()
    }

    /// Tombstones may have been pruned before the index applied them: it is validated before it takes anything else.
    pub(crate) fn invalidate(&self) {
        self.sharing.tombstones_doubted.store(true, Ordering::Relaxed);
        self.validated.store(false, Ordering::Relaxed);
    }

    /// The last purge that the leader has carried out.
    pub(crate) fn purged(&self) -> u64 {
        self.progress_now().purged
    }

    /// Every change up to this number is seen by searches.
    pub fn applied_seq(&self) -> u64 {
        if self.is_leader() { self.index.applied_seq() } else { self.progress_now().applied_seq }
    }

    /// Every change up to this number is in it for good.
    pub(crate) fn durable_seq(&self) -> u64 {
        if self.is_leader() { self.index.durable_seq() } else { self.progress_now().durable_seq }
    }

    /// Returns once searches see every change that there is now; another server that feeds the index may take so long.
    pub(crate) async fn await_current(&self, patience: Duration) -> Result<(), SyncError> {
        let last = self.catalogue.last_change().await?;
        let until = tokio::time::Instant::now() + patience;
        loop {
            self.catch_up().await?;
            if self.is_leader() || self.applied_seq() >= last {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(SyncError::NotFed);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}
