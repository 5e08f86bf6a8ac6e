//! What was deleted leaves no byte in the index, and no older copy of it brings anything back.

use std::sync::atomic::Ordering;

use types::Day;

use super::{IndexSync, blocking};
use crate::error::SyncError;

impl IndexSync {
    /// Makes a day of the index what the catalogue has of it, so that of what was deleted no byte is left. The index is on disk
    /// when it returns, and one that is older than this is made again when it is opened. Returns how many vectors went.
    /// Where several servers have it, nothing is done here: whoever feeds it does so once it is announced.
    pub(crate) async fn purge_day(&self, day: Day) -> Result<u64, SyncError> {
        if self.is_shared() {
            return Ok(0);
        }
        let _exclusive = self.exclusive.lock().await;
        self.catch_up_exclusively().await?;
        // What is stored from here on waits for its turn to be fed, and is not purged.
        let keep = self.catalogue.ids(day).await?.into_iter().collect();
        let index = self.index.clone();
        blocking(move || index.purge(day, &keep)).await
    }

    /// As [`Self::purge_day`], announced as change `seq`: an index on disk that has it is not older than it.
    async fn purge_as_of(&self, day: Day, seq: u64) -> Result<(), SyncError> {
        let _exclusive = self.exclusive.lock().await;
        self.catch_up_exclusively().await?;
        let keep = self.catalogue.ids(day).await?.into_iter().collect();
        let index = self.index.clone();
        blocking(move || {
            index.purge(day, &keep)?;
            index.remove(&[], seq.max(index.applied_seq()))?;
            index.flush()
        })
        .await
    }

    /// Carries out purges that were announced, where this server feeds the index: all of them at once where it `is_current`, else
    /// of what it has so far.
    pub(crate) async fn carry_out(&self, announced: &[(u64, Day)], is_current: bool) -> Result<(), SyncError> {
        for &(seq, day) in announced {
            if !self.is_leader() || self.sharing.purged.load(Ordering::Relaxed) >= seq {
                continue;
            }
            if is_current {
                self.purge_as_of(day, seq).await?;
            } else {
                self.purge_day_so_far(day).await?;
            }
            self.sharing.purged.fetch_max(seq, Ordering::Relaxed);
            self.publish().await?;
        }
        Ok(())
    }

    /// As [`Self::purge_day`] of an index that is still behind: what it has not taken yet, it takes later.
    pub(crate) async fn purge_day_so_far(&self, day: Day) -> Result<(), SyncError> {
        let _exclusive = self.exclusive.lock().await;
        let keep = self.catalogue.ids(day).await?.into_iter().collect();
        let index = self.index.clone();
        blocking(move || index.purge(day, &keep)).await.map(drop)
    }

    /// Has every deletion so far behind it for good: neither this index nor an older copy of it brings anything back. Where
    /// another index is `behind`, it still has to hear of them. Where several servers have it, a later sweep does so.
    pub(crate) async fn forget_deletions(&self, behind: bool) -> Result<(), SyncError> {
        if self.is_shared() {
            return Ok(());
        }
        let _exclusive = self.exclusive.lock().await;
        // A change of its own: what was numbered before it is there to be taken.
        let seq = self.catalogue.next_change().await?;
        self.catch_up_exclusively().await?;
        let index = self.index.clone();
        blocking(move || {
            index.remove(&[], seq)?;
            index.flush()
        })
        .await?;
        if !behind {
            self.catalogue.forget_tombstones(seq).await?;
        }
        Ok(())
    }

    /// Tombstones that this index, and one beside it up to there, has taken and has on disk are of no more use.
    pub(crate) async fn forget_tombstones(&self, beside: Option<u64>) -> Result<(), SyncError> {
        let synced = beside.map_or(self.durable_seq(), |beside| beside.min(self.durable_seq()));
        if self.catalogue.has_tombstones(synced).await? {
            self.catalogue.forget_tombstones(synced).await?;
        }
        Ok(())
    }
}
