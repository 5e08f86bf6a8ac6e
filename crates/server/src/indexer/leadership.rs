//! Who feeds an index. One that only this process has is fed by it. Of servers that share one, on a Qdrant server, one feeds it, by
//! a turn, and tells the others how far it is; when it is not heard of any more another goes on from what is noted there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use catalogue::CatalogueError;
use index::WriteGuard;
use serde::{Deserialize, Serialize};
use types::ModelDigest;

use crate::cluster::membership::{Cluster, LeaseGuard};

/// How far an index is, told by whoever feeds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// Of the turn by which it is fed, and how often its days came and went since: others ask anew what there is.
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

/// Whether this server feeds it.
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

    /// For the index: as long as this server may feed it.
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

    /// Takes the turn where it is nobody's.
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

    /// Takes the turn from whoever has it.
    pub(crate) async fn force_acquire(&self) -> Result<(), CatalogueError> {
        if let Some(shared) = self.0.as_ref().filter(|_| !self.is_leader()) {
            let acquired = shared.cluster.force_acquire(&shared.lease).await?;
            *lock(&shared.held) = acquired;
        }
        Ok(())
    }

    /// Tells the others; `None` where the turn is another's by now.
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

    /// What whoever feeds it told last; `None` where nobody did, or nobody feeds it.
    pub(crate) async fn read_progress(&self) -> Result<Option<Progress>, CatalogueError> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let said = shared.cluster.catalogue().read_progress(&shared.lease).await?;
        Ok(said.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// The others may feed it.
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
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
