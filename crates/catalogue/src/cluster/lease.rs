//! What only one of several servers may do at a time: a row with a holder, an end and an epoch. Time is the database's, so
//! that servers whose clocks differ agree.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{AssertSqlSafe, Row};
use types::{JobId, Sighting, SightingId};

use crate::{CameraLease, Catalogue, CatalogueError, LeaseFault, engine::Tx, row::micros};

/// Leave to do something until it runs out, or is another server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLease {
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl ClusterLease {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grows with each time that it is taken.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Leave to work on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    pub(crate) job: JobId,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
}

impl JobLease {
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Grows with each time that the job is taken.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// By what leave sightings are written or deleted. It comes from leave that the catalogue gave, and from nothing else. It is looked
/// at in the transaction of the change: once somebody else has the leave, nothing is stored. That it has run out alone does no harm.
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
    /// Takes a turn that is nobody's; whoever had it before, the same holder too, has it no more. `None`: it is another's.
    pub async fn acquire_lease(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<ClusterLease>, CatalogueError> {
        let free = format!("turn.holder = excluded.holder OR turn.expires <= {}", self.now_sql());
        self.acquire_lease_where(&free, name, holder, lasts).await
    }

    /// As [`Self::acquire_lease`], from whoever has it.
    pub async fn force_acquire_lease(
        &self,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<ClusterLease>, CatalogueError> {
        self.acquire_lease_where("TRUE", name, holder, lasts).await
    }

    async fn acquire_lease_where(
        &self,
        condition: &str,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<ClusterLease>, CatalogueError> {
        let sql = format!(
            "INSERT INTO turn (name, holder, epoch, expires) VALUES ($1, $2, 1, {now} + $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = excluded.expires, epoch = turn.epoch + 1,
                said = NULL
             WHERE {condition} RETURNING epoch",
            now = self.now_sql()
        );
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(name).bind(holder).bind(micros(lasts));
        let epoch: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        Ok(epoch.map(|epoch| ClusterLease { name: name.to_owned(), holder: holder.to_owned(), epoch: epoch.unsigned_abs() }))
    }

    /// Makes it last longer, also where it has run out and nobody took it. `false`: it is another's by now.
    pub async fn renew_lease(&self, lease: &ClusterLease, lasts: Duration) -> Result<bool, CatalogueError> {
        let sql = format!("UPDATE turn SET expires = {} + $4 WHERE name = $1 AND holder = $2 AND epoch = $3", self.now_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&lease.name).bind(&lease.holder).bind(lease.epoch.cast_signed());
        Ok(query.bind(micros(lasts)).execute(self.writer()).await?.rows_affected() == 1)
    }

    /// Others need not wait for its end. No error if it is another's by now.
    pub async fn release_lease(&self, lease: &ClusterLease) -> Result<(), CatalogueError> {
        sqlx::query("UPDATE turn SET expires = 0, said = NULL WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// Tells the others something, for as long as the turn lasts. `false`: it is another's by now.
    pub async fn publish_progress(&self, lease: &ClusterLease, what: &[u8]) -> Result<bool, CatalogueError> {
        let said = sqlx::query("UPDATE turn SET said = $4 WHERE name = $1 AND holder = $2 AND epoch = $3")
            .bind(&lease.name)
            .bind(&lease.holder)
            .bind(lease.epoch.cast_signed())
            .bind(what)
            .execute(self.writer())
            .await?;
        Ok(said.rows_affected() == 1)
    }

    /// What whoever has a turn told last.
    pub async fn read_progress(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        let sql = format!("SELECT said FROM turn WHERE name = $1 AND expires > {}", self.now_sql());
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(self.reader()).await?;
        Ok(row.map(|row| row.try_get("said")).transpose()?.flatten())
    }

    /// Whether the leave still stands; nobody else gets it until the transaction ends.
    pub(crate) async fn check_token(&self, tx: &mut Tx, fence: &FencingToken) -> Result<(), CatalogueError> {
        let (table, id, name, holder, epoch) = match &fence.0 {
            LeaseKind::Cluster(ClusterLease { name, holder, epoch }) => ("turn", "name", name.as_str(), holder, *epoch),
            LeaseKind::Job(JobLease { job, holder, epoch }) => ("job", "id", job.as_str(), holder, *epoch),
            // A worker hands in sightings, and may do nothing else.
            LeaseKind::Cameras(_) => return Err(CatalogueError::NotOurs { what: "what is no sighting of a camera".to_owned() }),
        };
        let running = if table == "job" { "AND state = 'running'" } else { "" };
        let sql =
            format!("SELECT epoch FROM {table} WHERE {id} = $1 AND holder = $2 AND epoch = $3 {running} {}", self.row_lock_sql());
        let query = sqlx::query(AssertSqlSafe(sql)).bind(name).bind(holder).bind(epoch.cast_signed());
        match query.fetch_optional(&mut **tx).await? {
            Some(_) => Ok(()),
            None => Err(CatalogueError::NotOurs { what: format!("{table} {name}") }),
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
