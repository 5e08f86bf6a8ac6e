//! Servers that share one catalogue. Each reports by a heartbeat that it is there and how far its own index is. A task that only one
//! may do at a time is leased; a lease expires when its holder is not heard of.
//!
//! A server that is alone, on SQLite, holds every lease: it acquires each once, also one of an earlier process, and keeps it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;
use types::Chain;

use super::{
    lease::ClusterLease,
    lease_guard::{LEASE, LeaseGuard, RENEW},
    servers::ServerPosition,
};
use crate::{error::CatalogueError, open::Catalogue};

const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long the leases of a server that is alone last: the next process that opens the file acquires them all the same.
const ALWAYS: Duration = Duration::from_secs(100 * 366 * 86_400);

/// What only one server may do at a time.
pub mod lease_names {
    /// Deletes sightings whose time has come.
    pub const RETENTION: &str = "retention";
    /// Ends and purges cases.
    pub const CASES: &str = "cases";
    /// Adds and removes footage.
    pub const FOOTAGE: &str = "footage";
    /// Tells the configured address what happens to cases.
    pub const NOTIFY: &str = "notify";
    /// Watches the cameras that no worker holds.
    pub const LIVE: &str = "live";
    /// Deletes crops without a sighting.
    pub const SWEEP: &str = "sweep";
}

/// This server among the others.
#[derive(Debug)]
pub struct Cluster {
    catalogue: Catalogue,
    id: String,
    shared: Option<Shared>,
    /// The leases of a server that is alone, by name.
    alone: tokio::sync::Mutex<BTreeMap<String, ClusterLease>>,
}

#[derive(Debug)]
struct Shared {
    state: Arc<ServerState>,
    heartbeat: JoinHandle<()>,
    /// What the index is called that others have too: the leader purges it for all of them.
    index: Option<String>,
}

/// What it tells the others.
#[derive(Debug, Default)]
pub struct ServerState {
    synced: AtomicU64,
    /// The last purge that its index has carried out.
    pub purged: AtomicU64,
    /// The others took it for gone meanwhile.
    pub was_away: AtomicBool,
}

impl ServerState {
    fn position(&self) -> ServerPosition {
        ServerPosition { synced: self.synced.load(Ordering::Relaxed), purged: self.purged.load(Ordering::Relaxed) }
    }
}

impl Cluster {
    /// A server, or the holder of a lease, that was not heard of for so long counts as gone.
    pub const LEASE: Duration = LEASE;
    /// How often a lease is renewed.
    pub const RENEW: Duration = RENEW;

    /// Joins those that share the catalogue, before anything is read that they could forget; with the name of the index where that
    /// is on a server.
    ///
    /// # Errors
    /// [`CatalogueError`] where the others can't be told.
    pub async fn join(catalogue: Catalogue, index: Option<String>) -> Result<Self, CatalogueError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        if !catalogue.is_shared() {
            return Ok(Self { catalogue, id, shared: None, alone: tokio::sync::Mutex::default() });
        }
        let state = Arc::new(ServerState::default());
        if index.is_none() {
            // It waits for nothing to be told of: what was purged until now, an index that is opened later shows.
            state.purged.store(catalogue.last_purge().await?, Ordering::Relaxed);
        }
        catalogue.heartbeat(&id, state.position(), LEASE).await?;
        let heartbeat = tasks::spawn("heartbeat", heartbeat(catalogue.clone(), id.clone(), state.clone()));
        let shared = Some(Shared { state, heartbeat, index });
        Ok(Self { catalogue, id, shared, alone: tokio::sync::Mutex::default() })
    }

    /// What its servers share.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What this server is called among them, anew for each start.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether there may be others.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// What it tells the others; `None` where there are none.
    pub fn state(&self) -> Option<&ServerState> {
        self.shared.as_ref().map(|shared| &*shared.state)
    }

    /// What the index is called that other servers have too.
    pub fn shared_index(&self) -> Option<&str> {
        self.shared.as_ref()?.index.as_deref()
    }

    /// Whether other servers have this one's index too.
    pub fn shares_index(&self) -> bool {
        self.shared_index().is_some()
    }

    /// The change up to which the index is on disk.
    pub fn set_synced(&self, synced: u64) {
        if let Some(shared) = &self.shared {
            shared.state.synced.store(synced, Ordering::Relaxed);
        }
    }

    /// Acquires a lease; `None`: another server holds it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not answer.
    pub async fn acquire(&self, name: &str) -> Result<Option<LeaseGuard>, CatalogueError> {
        if self.shared.is_some() {
            return Ok(self.guard(self.catalogue.acquire_lease(name, &self.id, LEASE).await?));
        }
        let mut alone = self.alone.lock().await;
        if !alone.contains_key(name)
            && let Some(lease) = self.catalogue.force_acquire_lease(name, &self.id, ALWAYS).await?
        {
            alone.insert(name.to_owned(), lease);
        }
        Ok(alone.get(name).cloned().map(LeaseGuard::alone))
    }

    /// Acquires a lease, also where another server holds it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not answer.
    pub async fn force_acquire(&self, name: &str) -> Result<Option<LeaseGuard>, CatalogueError> {
        Ok(self.guard(self.catalogue.force_acquire_lease(name, &self.id, LEASE).await?))
    }

    fn guard(&self, lease: Option<ClusterLease>) -> Option<LeaseGuard> {
        lease.map(|lease| LeaseGuard::renewed(self.catalogue.clone(), lease))
    }

    /// Waits for a lease.
    ///
    /// # Errors
    /// [`CatalogueError::Busy`] if it takes longer than `patience`.
    pub async fn wait_for_lease(&self, name: &str, patience: Duration) -> Result<LeaseGuard, CatalogueError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            if let Some(held) = self.acquire(name).await? {
                return Ok(held);
            }
            if tokio::time::Instant::now() >= until {
                return Err(CatalogueError::Busy(format!("another server is at it: {name}").into()));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Returns once every server that is there has, or knows that its index has, purged what was announced up to `seq`.
    ///
    /// # Errors
    /// [`CatalogueError::Busy`] if it takes longer than `patience`.
    pub async fn wait_for_purges(&self, seq: u64, patience: Duration) -> Result<(), CatalogueError> {
        let shares_index = self.shares_index();
        if let Some(shared) = self.shared.as_ref().filter(|_| !shares_index) {
            // Its own was done before it was announced.
            shared.state.purged.fetch_max(seq, Ordering::Relaxed);
        }
        let until = tokio::time::Instant::now() + patience;
        loop {
            let mut living = self.catalogue.live_servers().await?.into_iter();
            let behind = living.find(|s| s.at.purged < seq && (shares_index || s.id != self.id));
            let Some(behind) = behind else { return self.catalogue.forget_purges(seq).await };
            if tokio::time::Instant::now() >= until {
                return Err(CatalogueError::Busy(format!("server {} has not deleted from its index yet", behind.id).into()));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// The others need not wait for it any more.
    ///
    /// # Errors
    /// [`CatalogueError`] where they can't be told; they take it for gone after a while all the same.
    pub async fn leave(&self) -> Result<(), CatalogueError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        shared.heartbeat.abort();
        self.catalogue.requeue_running(Some(&self.id)).await?;
        self.catalogue.deregister_server(&self.id).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.heartbeat.abort();
        }
    }
}

async fn heartbeat(catalogue: Catalogue, id: String, state: Arc<ServerState>) {
    loop {
        tokio::time::sleep(RENEW).await;
        match catalogue.heartbeat(&id, state.position(), LEASE).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("the other servers took this one for gone: an index of its own is made again");
                state.synced.store(0, Ordering::Relaxed);
                state.was_away.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(error = %Chain(&error), "the other servers don't hear of this one"),
        }
    }
}
