//! What it takes that several servers have one index: who feeds it, and what it tells the others.

use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use catalogue::Reason;
use types::{Day, SightingId};

use super::{FeedError, ModelFeed, blocking};
use crate::indexer::feeder::{Feeds, Told};

const ASK_AGAIN: Duration = Duration::from_millis(50);

impl ModelFeed {
    /// Whether it is fed here. If not, what is told by whoever feeds it is heard.
    pub(super) async fn leads(&self) -> Result<bool, FeedError> {
        let feeds = self.sharing.feeder.feeds().await?;
        if feeds == Feeds::Begins {
            tracing::info!(model = %self.index.spec().model.short(), "this server feeds the index from now on");
            self.index.ask_anew();
            self.settled.store(false, Ordering::Relaxed);
        }
        self.withdraw_unconfirmed().await?;
        if feeds == Feeds::No {
            self.hear().await?;
        }
        Ok(feeds != Feeds::No)
    }

    /// Learns how far the index is that another server feeds.
    pub(super) async fn hear(&self) -> Result<(), FeedError> {
        let Some(told) = self.sharing.feeder.hear().await? else { return Ok(()) };
        // Whoever feeds it has held it against the catalogue, and this server has been there since.
        self.sharing.doubted.store(false, Ordering::Relaxed);
        let before = *self.told();
        if (before.epoch, before.shape) != (told.epoch, told.shape) {
            // Before anybody takes what is known now for all there is.
            self.index.ask_anew();
        }
        *self.told() = told;
        self.other_model.store(told.others, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the others how far it is; `false` where another server feeds it by now.
    pub(super) async fn tell(&self) -> Result<bool, FeedError> {
        let now = Told {
            epoch: 0,
            shape: self.index.shape(),
            taken: self.index.taken(),
            synced: self.index.synced(),
            purged: self.sharing.purged.load(Ordering::Relaxed),
            others: self.other_model(),
        };
        let Some(told) = self.sharing.feeder.tell(now).await? else { return Ok(false) };
        *self.told() = told;
        Ok(true)
    }

    /// As [`Self::tell`] of what was just put, which is taken back where it was not for this server to put.
    pub(super) async fn confirm(&self) -> Result<(), FeedError> {
        if !self.tell().await? {
            return self.withdraw_unconfirmed().await;
        }
        self.unconfirmed().clear();
        Ok(())
    }

    /// What was put after another server had begun to feed the index, and has no row, goes again: that server may have removed it
    /// before it came.
    async fn withdraw_unconfirmed(&self) -> Result<(), FeedError> {
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

    fn told(&self) -> MutexGuard<'_, Told> {
        self.sharing.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn unconfirmed(&self) -> MutexGuard<'_, Vec<(Day, SightingId)>> {
        self.sharing.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the others have not heard how far it is.
    pub(super) fn is_news(&self) -> bool {
        let told = *self.told();
        (told.taken, told.shape, told.others) != (self.index.taken(), self.index.shape(), self.other_model())
    }

    /// Whether other servers have it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing.feeder.is_shared()
    }

    /// Whether this server feeds it.
    pub(crate) fn is_ours(&self) -> bool {
        self.sharing.feeder.is_ours()
    }

    /// What was deleted may have been forgotten before the index had it: that is looked at before anything else is taken.
    pub(crate) fn doubt(&self) {
        self.sharing.doubted.store(true, Ordering::Relaxed);
        self.settled.store(false, Ordering::Relaxed);
    }

    /// The last purge that whoever feeds it has carried out.
    pub(crate) fn purged(&self) -> u64 {
        self.told().purged
    }

    /// Every change up to this number is seen by searches.
    pub(crate) fn taken(&self) -> u64 {
        if self.is_ours() { self.index.taken() } else { self.told().taken }
    }

    /// Every change up to this number is in it for good.
    pub(crate) fn synced(&self) -> u64 {
        if self.is_ours() { self.index.synced() } else { self.told().synced }
    }

    /// Returns once searches see every change that there is now; another server that feeds the index may take so long.
    pub(crate) async fn await_current(&self, patience: Duration) -> Result<(), FeedError> {
        let last = self.catalogue.last_change().await?;
        let until = tokio::time::Instant::now() + patience;
        loop {
            self.catch_up().await?;
            if self.is_ours() || self.taken() >= last {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(FeedError::NotFed);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}
