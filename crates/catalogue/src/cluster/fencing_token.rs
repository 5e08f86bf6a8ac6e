//! The token that a write under a lease carries. It is checked in the transaction of the write.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use types::{Sighting, SightingId};

use crate::{CameraLease, Catalogue, CatalogueError, ClusterLease, JobLease, LeaseFault, engine::Tx};

/// Names the lease under which sightings are written or deleted. Only a lease that the catalogue gave makes one. It is checked in the
/// transaction of the write: a superseded lease rejects the write; an expired one that nobody has acquired does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FencingToken(LeaseKind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum LeaseKind {
    Cluster(ClusterLease),
    Job(JobLease),
    /// A worker's, for each of the sightings that it hands in.
    Cameras(BTreeMap<SightingId, CameraLease>),
}

impl From<ClusterLease> for FencingToken {
    fn from(lease: ClusterLease) -> Self {
        Self(LeaseKind::Cluster(lease))
    }
}

impl From<JobLease> for FencingToken {
    fn from(lease: JobLease) -> Self {
        Self(LeaseKind::Job(lease))
    }
}

impl FromIterator<(SightingId, CameraLease)> for FencingToken {
    /// For what workers hand in: under which lease each sighting was seen.
    fn from_iter<I: IntoIterator<Item = (SightingId, CameraLease)>>(leases: I) -> Self {
        Self(LeaseKind::Cameras(leases.into_iter().collect()))
    }
}

impl Catalogue {
    /// Fails if the lease is superseded. Nobody else acquires it before the transaction ends.
    pub(crate) async fn check_token(&self, tx: &mut Tx, fence: &FencingToken) -> Result<(), CatalogueError> {
        let (table, id, name, holder, epoch) = match &fence.0 {
            LeaseKind::Cluster(ClusterLease { name, holder, epoch }) => ("cluster_lease", "name", name.as_str(), holder, *epoch),
            LeaseKind::Job(JobLease { job, holder, epoch }) => ("job", "id", job.as_str(), holder, *epoch),
            // A worker hands in sightings, and may do nothing else.
            LeaseKind::Cameras(_) => return Err(CatalogueError::NotOurs { what: "what is no sighting of a camera".to_owned() }),
        };
        let (what, running) = if table == "job" { ("job", "AND state = 'running'") } else { ("lease", "") };
        let sql =
            format!("SELECT epoch FROM {table} WHERE {id} = $1 AND holder = $2 AND epoch = $3 {running} {}", self.row_lock_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(name).bind(holder).bind(epoch.cast_signed());
        match query.fetch_optional(&mut **tx).await? {
            Some(_) => Ok(()),
            None => Err(CatalogueError::NotOurs { what: format!("{what} {name}") }),
        }
    }

    /// As [`Self::check_token`], for the storing of these sightings.
    pub(crate) async fn check_token_for(
        &self,
        tx: &mut Tx,
        fence: &FencingToken,
        sightings: impl Iterator<Item = &Sighting>,
    ) -> Result<(), CatalogueError> {
        let LeaseKind::Cameras(leases) = &fence.0 else { return self.check_token(tx, fence).await };
        let refused = |id, fault| Err(CatalogueError::Lease { id, fault });
        // In the order of the leases: two that lock rows in different orders wait for each other.
        let mut by_lease: BTreeMap<_, Vec<&Sighting>> = BTreeMap::new();
        for sighting in sightings {
            match leases.get(&sighting.id).filter(|lease| lease.camera == sighting.camera) {
                Some(lease) => by_lease.entry((&lease.camera, lease.epoch, &lease.holder)).or_default().push(sighting),
                None => return refused(sighting.id, LeaseFault::NotHeld),
            }
        }
        for ((camera, epoch, holder), sightings) in by_lease {
            let now = self.keep_lease(tx, camera, epoch, holder).await?;
            for sighting in sightings {
                let fault = now.as_ref().map_or(Some(LeaseFault::NotHeld), |now| now.fault(sighting.first.time));
                if let Some(fault) = fault {
                    return refused(sighting.id, fault);
                }
            }
        }
        Ok(())
    }
}
