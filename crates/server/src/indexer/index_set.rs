//! The index that is searched and, while another model takes over, the one beside it. Each holds the vectors of one model and
//! of no other; a search asks one of the two and never both.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use catalogue::{Catalogue, CatalogueError};
use index::{IndexSpec, Place, VectorIndex};
use tokio::sync::Notify;
use types::{Day, SightingId};

use crate::indexer::{
    embed_again::EmbedAgain,
    feed::{FED, FeedError, ModelFeed},
    feeder::Feeder,
};

/// What keeps the indexes right. Whoever asks for "the index" means the one that is searched.
#[derive(Debug)]
pub(crate) struct IndexFeed {
    catalogue: Catalogue,
    main: RwLock<Arc<ModelFeed>>,
    side: RwLock<Option<Arc<ModelFeed>>>,
    /// There is more for the one beside it.
    grown: Notify,
    /// A server that holds the index did not answer when it was last asked.
    away: AtomicBool,
}

impl IndexFeed {
    pub(crate) async fn open(
        catalogue: Catalogue,
        place: &Place,
        feeder: Feeder,
        spec: IndexSpec,
        embed_again: Option<Arc<EmbedAgain>>,
    ) -> Result<Self, FeedError> {
        let main = ModelFeed::open(catalogue.clone(), place, feeder, spec, embed_again, true).await?;
        Ok(Self {
            catalogue,
            main: RwLock::new(Arc::new(main)),
            side: RwLock::default(),
            grown: Notify::new(),
            away: AtomicBool::new(false),
        })
    }

    pub(crate) fn main(&self) -> Arc<ModelFeed> {
        self.main.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn side(&self) -> Option<Arc<ModelFeed>> {
        self.side.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another one beside it, or none.
    pub(crate) fn set_side(&self, side: Option<Arc<ModelFeed>>) {
        *self.side.write().unwrap_or_else(PoisonError::into_inner) = side;
        self.grown.notify_one();
    }

    /// The two change places, in one step for every search that begins. `commit` makes it last: while it runs neither index
    /// takes anything here, and the one beside is not behind.
    pub(crate) async fn swap(&self, commit: impl AsyncFnOnce() -> Result<(), CatalogueError>) -> Result<(), FeedError> {
        let (main, Some(side)) = (self.main(), self.side()) else { return Err(FeedError::Thread) };
        // All but the last few, without holding anybody up.
        side.await_current(FED).await?;
        let main_turn = main.turn().await;
        side.await_current(FED).await?;
        commit().await?;
        self.exchange();
        drop(main_turn);
        Ok(())
    }

    /// The two change places, where that is in the catalogue already.
    pub(crate) fn exchange(&self) {
        let mut searched = self.main.write().unwrap_or_else(PoisonError::into_inner);
        let mut beside = self.side.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(side) = beside.take() {
            *beside = Some(std::mem::replace(&mut *searched, side));
        }
    }

    /// Has another one searched from now on; the one before.
    pub(crate) fn set_main(&self, main: ModelFeed) -> Arc<ModelFeed> {
        std::mem::replace(&mut *self.main.write().unwrap_or_else(PoisonError::into_inner), Arc::new(main))
    }

    pub(crate) fn index(&self) -> Arc<VectorIndex> {
        self.main().index().clone()
    }

    /// As [`Self::catch_up`], for whoever has stored something and has better to do than to wait for a server that is away: what
    /// is asked regularly makes it good. What another server feeds, it will have soon.
    pub(crate) async fn take_new(&self) -> Result<(), FeedError> {
        if self.away.load(Ordering::Relaxed) || !self.is_ours() {
            return Ok(());
        }
        self.catch_up().await.map(drop)
    }

    pub(crate) async fn catch_up(&self) -> Result<u64, FeedError> {
        let taken = self.main().catch_up().await;
        self.away.store(taken.as_ref().is_err_and(FeedError::is_away), Ordering::Relaxed);
        let taken = taken?;
        if taken > 0 {
            self.grown.notify_one();
        }
        Ok(taken)
    }

    /// Resolves when there may be more for the index beside.
    pub(crate) async fn grown(&self) {
        self.grown.notified().await;
    }

    pub(crate) async fn flush(&self) -> Result<(), FeedError> {
        self.main().flush().await?;
        match self.side() {
            Some(side) => side.flush().await,
            None => Ok(()),
        }
    }

    /// The change up to which what is fed is on disk.
    pub(crate) fn synced(&self) -> u64 {
        let synced = self.main().synced();
        self.side().map_or(synced, |side| side.synced().min(synced))
    }

    /// Whether this server feeds the one that is searched.
    pub(crate) fn is_ours(&self) -> bool {
        self.main().is_ours()
    }

    /// As [`ModelFeed::doubt`], of both.
    pub(crate) fn doubt(&self) {
        self.main().doubt();
        if let Some(side) = self.side() {
            side.doubt();
        }
    }

    /// As [`ModelFeed::carry_out`], of both.
    pub(crate) async fn carry_out(&self, announced: &[(u64, Day)]) -> Result<(), FeedError> {
        if let Some(side) = self.side() {
            side.carry_out(announced, false).await?;
        }
        self.main().carry_out(announced, true).await
    }

    /// The last purge that was carried out on both.
    pub(crate) fn purged(&self) -> u64 {
        let purged = self.main().purged();
        self.side().map_or(purged, |side| side.purged().min(purged))
    }

    /// As [`ModelFeed::retire`], of both.
    pub(crate) async fn retire(&self) {
        self.main().retire().await;
        if let Some(side) = self.side() {
            side.retire().await;
        }
    }

    pub(crate) async fn await_current(&self, patience: Duration) -> Result<(), FeedError> {
        self.main().await_current(patience).await
    }

    pub(crate) async fn is_current(&self) -> Result<bool, FeedError> {
        self.main().is_current().await
    }

    /// Reads the files of the index that is searched again.
    pub(crate) async fn verify(&self) -> Result<(), FeedError> {
        self.main().verify().await
    }

    pub(crate) async fn rebuild(&self) -> Result<u64, FeedError> {
        self.main().rebuild().await
    }

    /// As [`ModelFeed::purge_day`], of both.
    pub(crate) async fn purge_day(&self, day: Day) -> Result<u64, FeedError> {
        if let Some(side) = self.side() {
            self.catalogue.forget_embeddings().await?;
            if !side.is_shared() {
                side.purge_day_so_far(day).await?;
            }
        }
        self.main().purge_day(day).await
    }

    /// As [`ModelFeed::forget_deletions`]; while the index beside is behind, its time comes later.
    pub(crate) async fn forget_deletions(&self) -> Result<(), FeedError> {
        let behind = match self.side() {
            Some(side) => side.taken() < self.catalogue.last_change().await?,
            None => false,
        };
        self.main().forget_deletions(behind).await
    }

    pub(crate) async fn forget_tombstones(&self) -> Result<(), FeedError> {
        self.main().forget_tombstones(self.side().map(|side| side.synced())).await
    }

    pub(crate) async fn ids_by_day(&self) -> Result<std::collections::BTreeMap<Day, Vec<SightingId>>, FeedError> {
        self.main().ids_by_day().await
    }
}
