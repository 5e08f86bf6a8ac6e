//! The index that is searched and, while another model takes over, the one beside it. Each holds the vectors of one model and
//! of no other; a search asks one of the two and never both.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use catalogue::{Catalogue, CatalogueError, Cluster};
use index::{IndexLocation, IndexSpec, VectorIndex};
use parking_lot::RwLock;
use tokio::sync::Notify;
use types::{Day, SightingId};

use crate::{
    error::SyncError,
    leadership::Leadership,
    reembedder::Reembedder,
    sync::{FED, IndexSync},
};

/// How long other servers may take to write their indexes anew.
const PURGES: Duration = Duration::from_secs(120);

/// What keeps the indexes right. Whoever asks for "the index" means the one that is searched.
#[derive(Debug)]
pub struct IndexSet {
    catalogue: Catalogue,
    cluster: Arc<Cluster>,
    active: RwLock<Arc<IndexSync>>,
    shadow: RwLock<Option<Arc<IndexSync>>>,
    /// There is more for the one beside it.
    grown: Notify,
    /// A server that holds the index did not answer when it was last asked.
    away: AtomicBool,
}

impl IndexSet {
    /// Opens one that holds the vectors of a model, with none beside it.
    ///
    /// # Errors
    /// [`SyncError`]. A server that holds the index and does not answer is no error.
    pub async fn open(cluster: Arc<Cluster>, place: &IndexLocation, spec: IndexSpec) -> Result<Self, SyncError> {
        Self::open_with(cluster, place, spec, None).await
    }

    pub(super) async fn open_with(
        cluster: Arc<Cluster>,
        place: &IndexLocation,
        spec: IndexSpec,
        reembedder: Option<Arc<Reembedder>>,
    ) -> Result<Self, SyncError> {
        let catalogue = cluster.catalogue().clone();
        let leadership = Leadership::of(&cluster, spec.model);
        let active = IndexSync::open(catalogue.clone(), place, leadership, spec, reembedder, true).await?;
        Ok(Self {
            catalogue,
            cluster,
            active: RwLock::new(Arc::new(active)),
            shadow: RwLock::default(),
            grown: Notify::new(),
            away: AtomicBool::new(false),
        })
    }

    /// The one that is searched.
    pub fn active(&self) -> Arc<IndexSync> {
        self.active.read().clone()
    }

    /// The one beside it, while another model takes over.
    pub fn shadow(&self) -> Option<Arc<IndexSync>> {
        self.shadow.read().clone()
    }

    /// Puts another one beside it, or none.
    pub(crate) fn set_shadow(&self, shadow: Option<Arc<IndexSync>>) {
        *self.shadow.write() = shadow;
        self.grown.notify_one();
    }

    /// The two change places, in one step for every search that begins. `commit` makes it last: while it runs neither index
    /// takes anything here, and the one beside is not behind.
    pub(crate) async fn swap(&self, commit: impl AsyncFnOnce() -> Result<(), CatalogueError>) -> Result<(), SyncError> {
        let (active, Some(shadow)) = (self.active(), self.shadow()) else { return Err(SyncError::Thread) };
        // All but the last few, without holding anybody up.
        shadow.await_current(FED).await?;
        let active_lock = active.exclusive().await;
        shadow.await_current(FED).await?;
        commit().await?;
        self.exchange();
        drop(active_lock);
        Ok(())
    }

    /// The two change places, where that is in the catalogue already.
    pub(crate) fn exchange(&self) {
        let mut searched = self.active.write();
        let mut beside = self.shadow.write();
        if let Some(shadow) = beside.take() {
            *beside = Some(std::mem::replace(&mut *searched, shadow));
        }
    }

    /// Has another one searched from now on; the one before.
    pub(crate) fn set_active(&self, active: IndexSync) -> Arc<IndexSync> {
        std::mem::replace(&mut *self.active.write(), Arc::new(active))
    }

    /// The one that is searched.
    pub fn index(&self) -> Arc<VectorIndex> {
        self.active().index().clone()
    }

    /// As [`Self::catch_up`], for whoever has stored something and has better to do than to wait for a server that is away: what
    /// is asked regularly makes it good. What another server feeds, it will have soon.
    pub(crate) async fn take_new(&self) -> Result<(), SyncError> {
        if self.away.load(Ordering::Relaxed) || !self.is_leader() {
            return Ok(());
        }
        self.catch_up().await.map(drop)
    }

    /// Takes every change that the index lacks; returns how many there were.
    ///
    /// # Errors
    /// [`SyncError`] where the catalogue or the index does not answer.
    pub async fn catch_up(&self) -> Result<u64, SyncError> {
        let taken = self.active().catch_up().await;
        self.away.store(taken.as_ref().is_err_and(SyncError::is_away), Ordering::Relaxed);
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

    /// Makes what it has taken durable, and lets the other servers know.
    ///
    /// # Errors
    /// [`SyncError`]; what is not on disk is taken again by the next start.
    pub async fn flush(&self) -> Result<(), SyncError> {
        self.active().flush().await?;
        if let Some(shadow) = self.shadow() {
            shadow.flush().await?;
        }
        self.cluster.set_synced(self.durable_seq());
        Ok(())
    }

    /// The change up to which what is fed is on disk.
    fn durable_seq(&self) -> u64 {
        let synced = self.active().durable_seq();
        self.shadow().map_or(synced, |shadow| shadow.durable_seq().min(synced))
    }

    /// Whether this server feeds the one that is searched.
    pub fn is_leader(&self) -> bool {
        self.active().is_leader()
    }

    /// As [`IndexSync::invalidate`], of both.
    pub(crate) fn invalidate(&self) {
        self.active().invalidate();
        if let Some(shadow) = self.shadow() {
            shadow.invalidate();
        }
    }

    /// As [`IndexSync::carry_out`], of both.
    pub(crate) async fn carry_out(&self, announced: &[(u64, Day)]) -> Result<(), SyncError> {
        if let Some(shadow) = self.shadow() {
            shadow.carry_out(announced, false).await?;
        }
        self.active().carry_out(announced, true).await
    }

    /// The last purge that was carried out on both.
    pub(crate) fn purged(&self) -> u64 {
        let purged = self.active().purged();
        self.shadow().map_or(purged, |shadow| shadow.purged().min(purged))
    }

    /// As `IndexSync::retire`, of both.
    pub async fn retire(&self) {
        self.active().retire().await;
        if let Some(shadow) = self.shadow() {
            shadow.retire().await;
        }
    }

    /// Returns once searches see every change that there is now, whoever feeds the index.
    ///
    /// # Errors
    /// [`SyncError::NotFed`] where another server feeds it and takes longer than `patience`.
    pub async fn await_current(&self, patience: Duration) -> Result<(), SyncError> {
        self.active().await_current(patience).await
    }

    /// Whether searches see every change of the catalogue.
    ///
    /// # Errors
    /// [`SyncError`] where the catalogue or the index does not answer.
    pub async fn is_current(&self) -> Result<bool, SyncError> {
        self.active().is_current().await
    }

    /// Reads the files of the index that is searched again.
    ///
    /// # Errors
    /// [`SyncError`], which says what is damaged.
    pub async fn verify(&self) -> Result<(), SyncError> {
        self.active().verify().await
    }

    /// Forgets everything and takes it from the catalogue again; returns how many vectors there are.
    ///
    /// # Errors
    /// [`SyncError`]. The old one may be gone then; the next start makes it again.
    pub async fn rebuild(&self) -> Result<u64, SyncError> {
        self.active().rebuild().await
    }

    /// As [`Self::rebuild`], of both.
    pub(super) async fn rebuild_all(&self) -> Result<(), SyncError> {
        self.active().rebuild().await?;
        if let Some(shadow) = self.shadow() {
            shadow.rebuild().await?;
        }
        Ok(())
    }

    /// Makes these days of every index what the catalogue has of them: of what was deleted no byte is left, here or on any other
    /// server that is there, and no older copy of the index brings anything back. Every day is tried, whatever became of the one
    /// before.
    ///
    /// # Errors
    /// [`SyncError`] where not all of it was done; then it is to be called again.
    pub async fn purge(&self, days: &[Day]) -> Result<(), SyncError> {
        let mut first_fault = None;
        for day in days {
            if let Err(fault) = self.purge_day(*day).await {
                first_fault.get_or_insert(fault);
            }
        }
        first_fault.map_or(Ok(()), Err)?;
        self.purge_elsewhere(days).await?;
        self.forget_deletions().await
    }

    /// Every server that is there has deleted these days from its own index when this returns; one that is not makes its index
    /// again when it comes back.
    async fn purge_elsewhere(&self, days: &[Day]) -> Result<(), SyncError> {
        if !self.cluster.is_shared() {
            return Ok(());
        }
        let mut last = 0;
        for day in days {
            last = self.catalogue.announce_purge(*day).await?;
        }
        if last > 0 {
            self.cluster.wait_for_purges(last, PURGES).await?;
        }
        Ok(())
    }

    /// As [`IndexSync::purge_day`], of both.
    async fn purge_day(&self, day: Day) -> Result<u64, SyncError> {
        if let Some(shadow) = self.shadow() {
            self.catalogue.forget_embeddings().await?;
            if !shadow.is_shared() {
                shadow.purge_day_so_far(day).await?;
            }
        }
        self.active().purge_day(day).await
    }

    /// As [`IndexSync::forget_deletions`]; while the index beside is behind, its time comes later.
    async fn forget_deletions(&self) -> Result<(), SyncError> {
        let behind = match self.shadow() {
            Some(shadow) => shadow.applied_seq() < self.catalogue.last_change().await?,
            None => false,
        };
        self.active().forget_deletions(behind).await
    }

    /// Tombstones that every index has taken and has on disk are of no more use.
    ///
    /// # Errors
    /// [`SyncError`] where the catalogue or the index does not answer.
    pub async fn forget_tombstones(&self) -> Result<(), SyncError> {
        self.active().forget_tombstones(self.shadow().map(|shadow| shadow.durable_seq())).await
    }

    /// Every sighting in the one that is searched, by day.
    ///
    /// # Errors
    /// [`SyncError`] where the catalogue or the index does not answer.
    pub async fn ids_by_day(&self) -> Result<std::collections::BTreeMap<Day, Vec<SightingId>>, SyncError> {
        self.active().ids_by_day().await
    }
}
