//! Who writes an index. An index of this process alone is written by it. Servers that share one, on a Qdrant server, elect a leader by
//! a lease. The leader writes the index and publishes its progress; when its lease expires another goes on from what is noted there.

use std::sync::Arc;

use catalogue::{CatalogueError, Cluster, LeaseGuard};
use index::WriteGuard;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use types::ModelDigest;

/// How far a shared index is, as its leader publishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// Epoch of the leader's lease, and how often days came or went under it: when either changes, others refresh the topology.
    pub(crate) epoch: u64,
    pub(crate) topology_version: u64,
    /// Changes up to here are in it, and for good.
    pub(crate) applied_seq: u64,
    pub(crate) durable_seq: u64,
    /// The last purge carried out on it.
    pub(crate) purged: u64,
    /// Sightings that another model's vectors keep out of it.
    pub(crate) others: u64,
}

/// Whether this server is the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    Yes,
    /// Since just now.
    Begins,
    No,
}

#[derive(Debug)]
pub(crate) struct Leadership(Option<Shared>);

#[derive(Debug)]
struct Shared {
    cluster: Arc<Cluster>,
    lease: String,
    held: Arc<Mutex<Option<LeaseGuard>>>,
}

impl Leadership {
    /// Of the index of a model: two servers that fed one would bring back what the other deleted.
    pub(crate) fn of(cluster: &Arc<Cluster>, model: ModelDigest) -> Self {
        let shared =
            |name| Shared { cluster: cluster.clone(), lease: format!("index {name} {}", model.short()), held: Arc::default() };
        Self(cluster.shared_index().map(shared))
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// For the index: lets changes through while this server is the leader.
    pub(crate) fn write_guard(&self) -> WriteGuard {
        match &self.0 {
            Some(Shared { held, .. }) => {
                let held = held.clone();
                WriteGuard::while_it(move || may_write(&held))
            }
            None => WriteGuard::always(),
        }
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| may_write(&shared.held))
    }

    /// Acquires the lease where nobody holds it.
    pub(crate) async fn campaign(&self) -> Result<Leads, CatalogueError> {
        let Some(shared) = &self.0 else { return Ok(Leads::Yes) };
        {
            let mut held = lock(&shared.held);
            if held.as_ref().is_some_and(LeaseGuard::is_lost) {
                *held = None;
            }
            match held.as_ref() {
                Some(held) if held.may_write() => return Ok(Leads::Yes),
                // The database did not answer for a while; it may still be ours.
                Some(_) => return Ok(Leads::No),
                None => {}
            }
        }
        let Some(taken) = shared.cluster.acquire(&shared.lease).await? else { return Ok(Leads::No) };
        *lock(&shared.held) = Some(taken);
        Ok(Leads::Begins)
    }

    /// Acquires the lease, also where another server holds it.
    pub(crate) async fn force_acquire(&self) -> Result<(), CatalogueError> {
        if let Some(shared) = self.0.as_ref().filter(|_| !self.is_leader()) {
            let acquired = shared.cluster.force_acquire(&shared.lease).await?;
            *lock(&shared.held) = acquired;
        }
        Ok(())
    }

    /// Publishes progress to the others; `None` where the lease is superseded.
    pub(crate) async fn publish(&self, progress: Progress) -> Result<Option<Progress>, CatalogueError> {
        let Some(shared) = &self.0 else { return Ok(Some(progress)) };
        let Some(lease) = lock(&shared.held).as_ref().map(LeaseGuard::lease) else { return Ok(None) };
        let progress = Progress { epoch: lease.epoch(), ..progress };
        let text = serde_json::to_vec(&progress).unwrap_or_default();
        if shared.cluster.catalogue().publish_progress(&lease, &text).await? {
            return Ok(Some(progress));
        }
        let mut held = lock(&shared.held);
        if held.as_ref().map(LeaseGuard::lease).is_some_and(|now| now == lease) {
            *held = None;
        }
        Ok(None)
    }

    /// What the leader published last; `None`: there is no leader, or it published nothing.
    pub(crate) async fn read_progress(&self) -> Result<Option<Progress>, CatalogueError> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let said = shared.cluster.catalogue().read_progress(&shared.lease).await?;
        Ok(said.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Lets another server become the leader.
    pub(crate) async fn stop(&self) {
        let held = self.0.as_ref().and_then(|shared| lock(&shared.held).take());
        if let Some(held) = held {
            held.release().await;
        }
    }
}

fn may_write(held: &Mutex<Option<LeaseGuard>>) -> bool {
    lock(held).as_ref().is_some_and(LeaseGuard::may_write)
}

fn lock(held: &Mutex<Option<LeaseGuard>>) -> MutexGuard<'_, Option<LeaseGuard>> {
    held.lock()
}
