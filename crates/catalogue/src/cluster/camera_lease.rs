//! Which worker watches which camera. A camera is held by one at a time; each change of hands has a number that grows, the
//! epoch, so that what an earlier holder sees afterwards can be told from what it saw before. The time is the database's
//! ([`Catalogue::time`]): no server's clock takes a camera from a worker, or keeps one for it.

mod share;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sqlx::{AnyConnection, AssertSqlSafe, Row};
use types::{AgencyId, CameraId, CaptureTime, ReceiveTime, Sighting};

use self::share::{Candidate, Worker, share};
use crate::{
    Catalogue, CatalogueError, LeaseFault,
    engine::{DbRow, Tx},
    row::{document, micros, read_document, time},
};

/// How long a row that counts no more is kept: a worker cut off for longer has its late sightings refused.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// A worker says that it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRequest {
    /// Which worker; the same after it was started again.
    pub holder: String,
    pub agency: AgencyId,
    /// Cameras it can watch; those of other agencies and those that may not be watched are left out here.
    pub able: BTreeSet<CameraId>,
    /// At most so many at once.
    pub most: u32,
    /// Watched by it no more.
    pub released: BTreeSet<CameraId>,
    /// What those it watches are doing, as it is to be told others.
    pub status: BTreeMap<CameraId, Vec<u8>>,
    pub lasts: Duration,
}

/// A worker's lease of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub camera: CameraId,
    pub epoch: u64,
    /// Empty: nobody's, by the owner's will.
    pub holder: String,
    pub expires: ReceiveTime,
    /// As the holder told it last.
    pub status: Option<Vec<u8>>,
}

/// The last leases, and when that was by the clock that their ends are told in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leases {
    pub now: ReceiveTime,
    /// Of every camera that ever had one; those that have run out included.
    pub last: BTreeMap<CameraId, Lease>,
}

/// The lease under which a worker submits what it saw of a camera, as [`Catalogue::camera_lease`] found it. By then it may be over: what
/// decides is looked at again in the transaction that stores ([`crate::FencingToken`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraLease {
    pub(crate) camera: CameraId,
    pub(crate) holder: String,
    pub(crate) epoch: u64,
    acquired: i64,
    /// When the camera changed hands, or was paused.
    ended: Option<i64>,
}

impl CameraLease {
    /// Why what was seen then is not the worker's to hand in; `None`: it is.
    pub fn fault(&self, seen: CaptureTime) -> Option<LeaseFault> {
        if seen.as_micros() < self.acquired.saturating_sub(Sighting::CLOCK_SLACK_US) {
            return Some(LeaseFault::Early);
        }
        self.ended.filter(|ended| seen.as_micros() >= *ended).map(|_| LeaseFault::Stale)
    }
}

impl Catalogue {
    /// Renews what the worker holds and may keep, gives it free cameras up to its share, and takes none from anybody: a
    /// worker with more than its share is simply not given all of them again. Returns all that it holds now.
    pub async fn lease_cameras(&self, request: &LeaseRequest) -> Result<Vec<Lease>, CatalogueError> {
        let mut tx = self.begin().await?;
        let now = self.time(&mut tx).await?;
        let until = now.plus_micros(micros(request.lasts));
        sqlx::query("DELETE FROM ingest_worker WHERE expires <= $1").bind(now.as_micros()).execute(&mut *tx).await?;
        sqlx::query(
            "INSERT INTO ingest_worker (holder, agency, able, most, expires) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (holder) DO UPDATE SET able = excluded.able, most = excluded.most, expires = excluded.expires",
        )
        .bind(&request.holder)
        .bind(request.agency.as_str())
        .bind(document(&request.able)?)
        .bind(i64::from(request.most))
        .bind(until.as_micros())
        .execute(&mut *tx)
        .await?;
        let workers = workers(&mut tx, &request.agency).await?;
        let mut held = last_leases(&mut tx, &request.agency).await?;
        for lease in held.values_mut().filter(|l| l.holder == request.holder && request.released.contains(&l.camera)) {
            lease.expires = lease.expires.min(now);
            set_expiry(&mut tx, lease, None).await?;
        }
        let alive = |lease: &Lease| lease.expires > now && !lease.holder.is_empty();
        let mut candidates = Vec::new();
        for camera in watchable(&mut tx, &request.agency).await? {
            let holder = held.get(&camera).filter(|l| alive(l) || l.holder == request.holder).map(|l| l.holder.clone());
            let holder = holder.filter(|_| !request.released.contains(&camera));
            candidates.push(Candidate { camera, holder });
        }
        let mut mine = Vec::new();
        for camera in share(&candidates, &workers, &request.holder) {
            let status = request.status.get(&camera).cloned();
            match held.remove(&camera) {
                Some(mut lease) if lease.holder == request.holder && !request.released.contains(&camera) => {
                    lease.expires = until;
                    set_expiry(&mut tx, &lease, status.as_deref()).await?;
                    mine.push(lease);
                }
                Some(lease) if alive(&lease) => {}
                before => {
                    let epoch = before.map_or(0, |l| l.epoch) + 1;
                    let lease = Lease { camera, epoch, holder: request.holder.clone(), expires: until, status };
                    self.insert_lease(&mut tx, &lease).await?;
                    mine.push(lease);
                }
            }
        }
        let old = now.plus_micros(-micros(KEPT));
        sqlx::query(
            "DELETE FROM lease WHERE expires < $1
             AND epoch < (SELECT max(newer.epoch) FROM lease AS newer WHERE newer.camera = lease.camera)",
        )
        .bind(old.as_micros())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        mine.sort_by(|a, b| a.camera.cmp(&b.camera));
        Ok(mine)
    }

    /// The last lease of every camera.
    pub async fn last_leases(&self) -> Result<Leases, CatalogueError> {
        let now = self.time(&mut *self.reader().acquire().await?).await?;
        let rows = sqlx::query(
            "SELECT * FROM lease WHERE epoch = (SELECT max(newer.epoch) FROM lease AS newer WHERE newer.camera = lease.camera)",
        )
        .fetch_all(self.reader())
        .await?;
        let last = rows.iter().map(|row| lease(row).map(|l| (l.camera.clone(), l))).collect::<Result<_, _>>()?;
        Ok(Leases { now, last })
    }

    /// The lease that a worker had under an epoch; `None`: it never had it.
    pub async fn camera_lease(&self, camera: &CameraId, epoch: u64, holder: &str) -> Result<Option<CameraLease>, CatalogueError> {
        find(&mut *self.reader().acquire().await?, "", camera, epoch, holder).await
    }

    /// As [`Self::camera_lease`]; the camera does not change hands before the transaction ends.
    pub(crate) async fn keep_lease(
        &self,
        tx: &mut Tx,
        camera: &CameraId,
        epoch: u64,
        holder: &str,
    ) -> Result<Option<CameraLease>, CatalogueError> {
        find(tx, self.last_sql(), camera, epoch, holder).await
    }

    /// From now on nobody watches the camera: its owner said so. What was seen until now is still taken.
    pub(crate) async fn end_lease(&self, tx: &mut Tx, camera: &CameraId) -> Result<(), CatalogueError> {
        let last = sqlx::query("SELECT * FROM lease WHERE camera = $1 ORDER BY epoch DESC LIMIT 1")
            .bind(camera.as_str())
            .fetch_optional(&mut **tx)
            .await?;
        let Some(last) = last.as_ref().map(lease).transpose()?.filter(|l| !l.holder.is_empty()) else { return Ok(()) };
        let expires = self.time(tx).await?;
        let nobody = Lease { epoch: last.epoch + 1, holder: String::new(), expires, status: None, ..last };
        self.insert_lease(tx, &nobody).await
    }

    /// The camera changes hands when nobody stores any more what relies on the lease before. The caller began the transaction
    /// with [`Catalogue::begin`].
    async fn insert_lease(&self, tx: &mut Tx, lease: &Lease) -> Result<(), CatalogueError> {
        let before = format!("SELECT epoch FROM lease WHERE camera = $1 AND epoch = $2 {}", self.succeed_sql());
        sqlx::query(AssertSqlSafe(before))
            .bind(lease.camera.as_str())
            .bind(lease.epoch.cast_signed() - 1)
            .fetch_optional(&mut **tx)
            .await?;
        // Not before that wait: what was stored meanwhile was seen before.
        let acquired = self.time(tx).await?;
        sqlx::query("INSERT INTO lease (camera, epoch, holder, acquired, expires, status) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(lease.camera.as_str())
            .bind(lease.epoch.cast_signed())
            .bind(&lease.holder)
            .bind(acquired.as_micros())
            .bind(lease.expires.as_micros())
            .bind(lease.status.as_deref())
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

async fn find(
    connection: &mut AnyConnection,
    keep: &str,
    camera: &CameraId,
    epoch: u64,
    holder: &str,
) -> Result<Option<CameraLease>, CatalogueError> {
    let number = i64::try_from(epoch).unwrap_or(i64::MAX);
    let own = format!("SELECT acquired FROM lease WHERE camera = $1 AND epoch = $2 AND holder = $3 {keep}");
    let own = sqlx::query_scalar(AssertSqlSafe(own)).bind(camera.as_str()).bind(number).bind(holder);
    let Some(acquired) = own.fetch_optional(&mut *connection).await? else { return Ok(None) };
    // A statement of its own: PostgreSQL shows it what was committed while the one before waited.
    let ended = sqlx::query_scalar("SELECT acquired FROM lease WHERE camera = $1 AND epoch > $2 ORDER BY epoch LIMIT 1")
        .bind(camera.as_str())
        .bind(number)
        .fetch_optional(connection)
        .await?;
    Ok(Some(CameraLease { camera: camera.clone(), holder: holder.to_owned(), epoch, acquired, ended }))
}

async fn set_expiry(tx: &mut Tx, lease: &Lease, status: Option<&[u8]>) -> Result<(), CatalogueError> {
    sqlx::query("UPDATE lease SET expires = $3, status = COALESCE($4, status) WHERE camera = $1 AND epoch = $2")
        .bind(lease.camera.as_str())
        .bind(lease.epoch.cast_signed())
        .bind(lease.expires.as_micros())
        .bind(status)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn workers(tx: &mut Tx, agency: &AgencyId) -> Result<Vec<Worker>, CatalogueError> {
    let rows = sqlx::query("SELECT holder, able, most FROM ingest_worker WHERE agency = $1 ORDER BY holder")
        .bind(agency.as_str())
        .fetch_all(&mut **tx)
        .await?;
    let worker = |row: &DbRow| -> Result<Worker, CatalogueError> {
        let holder: String = row.try_get("holder")?;
        let most: i64 = row.try_get("most")?;
        let able = read_document(row.try_get("able")?, || format!("cameras of worker {holder:?}"))?;
        Ok(Worker { holder, able, most: usize::try_from(most).unwrap_or(0) })
    };
    rows.iter().map(worker).collect()
}

/// The agency's cameras that their owner lets be watched.
async fn watchable(tx: &mut Tx, agency: &AgencyId) -> Result<Vec<CameraId>, CatalogueError> {
    let rows =
        sqlx::query("SELECT * FROM camera WHERE agency = $1 ORDER BY id").bind(agency.as_str()).fetch_all(&mut **tx).await?;
    let mut all = Vec::new();
    for row in &rows {
        let camera = crate::cameras::camera::camera(row)?;
        if !camera.policy.paused && !camera.policy.revoked {
            all.push(camera.id);
        }
    }
    Ok(all)
}

async fn last_leases(tx: &mut Tx, agency: &AgencyId) -> Result<BTreeMap<CameraId, Lease>, CatalogueError> {
    let rows = sqlx::query(
        "SELECT * FROM lease WHERE camera IN (SELECT id FROM camera WHERE agency = $1)
         AND epoch = (SELECT max(newer.epoch) FROM lease AS newer WHERE newer.camera = lease.camera)",
    )
    .bind(agency.as_str())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| lease(row).map(|l| (l.camera.clone(), l))).collect()
}

fn lease(row: &DbRow) -> Result<Lease, CatalogueError> {
    let (camera, epoch): (String, i64) = (row.try_get("camera")?, row.try_get("epoch")?);
    Ok(Lease {
        camera: CameraId::new(&camera).map_err(|_| CatalogueError::unreadable(format!("lease of camera {camera:?}")))?,
        epoch: epoch.unsigned_abs(),
        holder: row.try_get("holder")?,
        expires: time(row.try_get("expires")?)?,
        status: row.try_get("status")?,
    })
}
