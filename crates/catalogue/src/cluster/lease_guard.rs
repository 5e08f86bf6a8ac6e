//! A lease that a server holds: renewed while it is wanted, given back when it is not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use types::Chain;

use super::{fencing_token::FencingToken, lease::ClusterLease};
use crate::{error::CatalogueError, open::Catalogue};

/// A server, or the holder of a lease, that was not heard of for so long counts as gone.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// How often a lease is renewed.
pub(super) const RENEW: Duration = Duration::from_secs(2);
/// Safety margin: this long after the last renewal no side effect is started that the database can't fence. One in flight may still
/// land before the lease ends.
const MAY_WRITE: Duration = Duration::from_secs(6);

/// A lease that is renewed for as long as this lives.
#[derive(Debug)]
pub struct LeaseGuard {
    lease: ClusterLease,
    /// Where there are others.
    renewed: Option<Renewed>,
}

#[derive(Debug)]
struct Renewed {
    catalogue: Catalogue,
    lost: CancellationToken,
    /// When it was last asked for, and given.
    given: Arc<Mutex<Instant>>,
    renewing: AbortHandle,
}

impl Renewed {
    fn start(catalogue: Catalogue, lease: ClusterLease) -> Self {
        let (lost, given) = (CancellationToken::new(), Arc::new(Mutex::new(Instant::now())));
        let renewing = renew(catalogue.clone(), lease, lost.clone(), given.clone());
        let renewing = tasks::spawn("renewal of a lease", renewing).abort_handle();
        Self { catalogue, lost, given, renewing }
    }
}

impl LeaseGuard {
    /// Of a server that is alone: nobody can take it away.
    pub(super) fn alone(lease: ClusterLease) -> Self {
        Self { lease, renewed: None }
    }

    /// Where there are others.
    pub(super) fn renewed(catalogue: Catalogue, lease: ClusterLease) -> Self {
        Self { renewed: Some(Renewed::start(catalogue, lease.clone())), lease }
    }

    /// What is written under this lease is refused once it is superseded.
    pub fn fence(&self) -> FencingToken {
        self.lease.clone().into()
    }

    /// Another server has it by now.
    pub fn is_lost(&self) -> bool {
        self.renewed.as_ref().is_some_and(|held| held.lost.is_cancelled())
    }

    /// Whether a side effect may be started that the database can't fence.
    pub fn may_write(&self) -> bool {
        let Some(held) = &self.renewed else { return true };
        let given = *held.given.lock();
        !held.lost.is_cancelled() && given.elapsed() < MAY_WRITE
    }

    /// As the catalogue knows it.
    pub fn lease(&self) -> ClusterLease {
        self.lease.clone()
    }

    /// The others may have it when this returns.
    pub async fn release(mut self) {
        if let Some(held) = self.renewed.take() {
            held.renewing.abort();
            // Else it runs out by itself.
            let _ = held.catalogue.release_lease(&self.lease).await;
        }
    }

    /// Publishes something to the other servers.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not answer.
    pub async fn publish_progress(&self, what: &[u8]) -> Result<(), CatalogueError> {
        match &self.renewed {
            Some(held) => held.catalogue.publish_progress(&self.lease, what).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Some(held) = &self.renewed else { return };
        held.renewing.abort();
        let (catalogue, lease) = (held.catalogue.clone(), self.lease.clone());
        // Where that fails it runs out by itself.
        if tokio::runtime::Handle::try_current().is_ok() {
            tasks::spawn("release of a lease", async move { catalogue.release_lease(&lease).await });
        }
    }
}

/// A lease that can't be renewed, because the database is away, counts until it is known to be superseded: writes are fenced anyway.
async fn renew(catalogue: Catalogue, lease: ClusterLease, lost: CancellationToken, given: Arc<Mutex<Instant>>) {
    loop {
        tokio::time::sleep(RENEW).await;
        let asked = Instant::now();
        match catalogue.renew_lease(&lease, LEASE).await {
            Ok(true) => *given.lock() = asked,
            Ok(false) => {
                tracing::warn!(lease = lease.name(), "another server took over");
                return lost.cancel();
            }
            Err(error) => tracing::error!(error = %Chain(&error), lease = lease.name(), "a lease is not renewed"),
        }
    }
}
