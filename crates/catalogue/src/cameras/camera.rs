use std::{fmt, sync::Arc};

use access::{CameraPolicy, Place, PooledCamera};
use sqlx::Row;
use types::{AgencyId, CameraId, ReceiveTime, StreamUrl};

use crate::{
    Catalogue, CatalogueError,
    cameras::agency::label,
    engine::{DbRow, Tx, sequence},
    row::{document, read_document, time},
    seen::Committed,
};

/// Degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// -90 to 90, north positive.
    pub latitude: f64,
    /// -180 to 180, east positive.
    pub longitude: f64,
}

/// A camera that an agency pools.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Unique over all agencies.
    pub id: CameraId,
    /// Who owns it.
    pub agency: AgencyId,
    /// Where it hangs, for people.
    pub place: Option<String>,
    /// Where it hangs on the earth. `None`: it lies in no area.
    pub position: Option<Position>,
    /// Where its stream is, without passwords. `None`: it is not watched live.
    pub source: Option<SourceUrl>,
    /// The IANA name of the time zone that its recordings are named by.
    pub zone: Option<String>,
    /// What its owner lets others do with it.
    pub policy: CameraPolicy,
    /// When it was added.
    pub created: ReceiveTime,
}

impl Camera {
    /// A camera that is not stored yet.
    pub fn new(id: CameraId, agency: AgencyId) -> Self {
        Self {
            id,
            agency,
            place: None,
            position: None,
            source: None,
            zone: None,
            policy: CameraPolicy::default(),
            created: ReceiveTime::now(),
        }
    }
}

/// Where a stream comes from, with nothing secret in it: of what was given, what [`StreamUrl::shown`] shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl(String);

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Even without credentials, a path may say more than a log needs.
        let end = self.0.find("://").map_or(0, |i| i + 3);
        let host = self.0[end..].find(['/', '?']).map_or(self.0.len(), |i| end + i);
        write!(f, "SourceUrl({}..)", &self.0[..host])
    }
}

impl SourceUrl {
    /// Leaves out `user:password@` and the value of every parameter; the second value says whether anything was.
    ///
    /// # Errors
    /// [`CatalogueError::Invalid`] where the text is no URL of a stream.
    pub fn parse(text: &str) -> Result<(Self, bool), CatalogueError> {
        // The text itself may hold a password: it is never repeated.
        let bad = |_| CatalogueError::invalid("the source is not a URL such as rtsp://camera.example/stream, it has", "…");
        let url = StreamUrl::parse(text).map_err(bad)?;
        Ok((Self(url.shown()), url.has_secrets()))
    }

    /// The URL, without user, password and values of parameters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Catalogue {
    /// # Errors
    /// [`CatalogueError::Exists`], [`CatalogueError::UnknownAgency`], or a position that is none.
    pub async fn add_camera(&self, camera: &Camera) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        let committed = self.insert_camera(&mut tx, camera).await?;
        tx.commit().await?;
        self.committed(committed).await;
        Ok(())
    }

    /// Adds these, and changes address and zone of those: all of it or nothing.
    ///
    /// # Errors
    /// As [`Self::add_camera`]; [`CatalogueError::UnknownCamera`].
    pub async fn import_cameras(&self, added: &[Camera], changed: &[Camera]) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        let mut all = Vec::new();
        for camera in added {
            all.push(self.insert_camera(&mut tx, camera).await?);
        }
        for camera in changed {
            let query = sqlx::query("UPDATE camera SET source = $2, zone = $3 WHERE id = $1")
                .bind(camera.id.as_str())
                .bind(camera.source.as_ref().map(SourceUrl::as_str))
                .bind(camera.zone.as_deref())
                .persistent(false);
            if query.execute(&mut *tx).await?.rows_affected() == 0 {
                return Err(CatalogueError::UnknownCamera(camera.id.clone()));
            }
        }
        tx.commit().await?;
        for committed in all {
            self.committed(committed).await;
        }
        Ok(())
    }

    async fn insert_camera(&self, tx: &mut Tx, camera: &Camera) -> Result<Committed, CatalogueError> {
        let place = camera.place.as_deref().map(label).transpose()?;
        if let Some(Position { latitude, longitude }) = camera.position
            && !((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
        {
            return Err(CatalogueError::invalid(
                "not a latitude in -90..90 and a longitude in -180..180:",
                &format!("{latitude}, {longitude}"),
            ));
        }
        let agency: Option<i64> = sqlx::query_scalar("SELECT 1 FROM agency WHERE id = $1")
            .bind(camera.agency.as_str())
            .fetch_optional(&mut **tx)
            .await?;
        if agency.is_none() {
            return Err(CatalogueError::UnknownAgency(camera.agency.clone()));
        }
        let added = sqlx::query(
            "INSERT INTO camera (id, agency, place, latitude, longitude, source, policy, created, zone)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(camera.id.as_str())
        .bind(camera.agency.as_str())
        .bind(place)
        .bind(camera.position.map(|p| p.latitude))
        .bind(camera.position.map(|p| p.longitude))
        .bind(camera.source.as_ref().map(SourceUrl::as_str))
        .bind(document(&camera.policy)?)
        .bind(camera.created.as_micros())
        .bind(camera.zone.as_deref())
        // The position may be missing; see `engine`.
        .persistent(false)
        .execute(&mut **tx)
        .await?;
        if added.rows_affected() == 0 {
            return Err(CatalogueError::Exists { kind: "camera", id: camera.id.to_string() });
        }
        // Otherwise the record says by its silence that it is the usual one.
        let other = camera.policy != CameraPolicy::default();
        if other { self.commit_policy(tx, camera).await } else { Ok(Committed::default()) }
    }

    /// # Errors
    /// [`CatalogueError::UnknownCamera`].
    pub async fn camera(&self, id: &CameraId) -> Result<Camera, CatalogueError> {
        let row = sqlx::query("SELECT * FROM camera WHERE id = $1").bind(id.as_str()).fetch_optional(self.reader()).await?;
        let camera = row.as_ref().map_or_else(|| Err(CatalogueError::UnknownCamera(id.clone())), camera)?;
        self.camera_as_recorded(camera).await
    }

    /// By id.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn cameras(&self) -> Result<Vec<Camera>, CatalogueError> {
        let rows = sqlx::query("SELECT * FROM camera ORDER BY id").fetch_all(self.reader()).await?;
        self.cameras_as_recorded(rows.iter().map(camera).collect::<Result<_, _>>()?).await
    }

    /// Every camera with its owner's policy, as [`access::decide()`] needs them: as they are when this is called, or newer.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn pooled_cameras(&self) -> Result<Arc<[PooledCamera]>, CatalogueError> {
        self.pooled_as_of(sequence(self.reader(), "cameras").await?).await
    }

    /// Reads them only if they have changed since somebody did: the database counts the changes, whoever makes them.
    pub(crate) async fn pooled_as_of(&self, changes: i64) -> Result<Arc<[PooledCamera]>, CatalogueError> {
        let kept = || self.inner.pooled.lock();
        if let Some((_, cameras)) = kept().as_ref().filter(|(read, _)| *read == changes) {
            return Ok(cameras.clone());
        }
        let mut tx = self.snapshot().await?;
        let changes = sequence(&mut *tx, "cameras").await?;
        let rows = sqlx::query("SELECT * FROM camera ORDER BY id").fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let place = |p: Position| Place::new(p.latitude, p.longitude);
        let pooled = |c: Camera| PooledCamera { id: c.id, agency: c.agency, place: c.position.and_then(place), policy: c.policy };
        let cameras = self.cameras_as_recorded(rows.iter().map(camera).collect::<Result<_, _>>()?).await?;
        let cameras: Arc<[_]> = cameras.into_iter().map(pooled).collect();
        *kept() = Some((changes, cameras.clone()));
        Ok(cameras)
    }

    /// Where its stream is; `None`: it is not watched.
    ///
    /// # Errors
    /// [`CatalogueError::UnknownCamera`], or where the database does not take it: nothing is changed then.
    pub async fn set_camera_source(&self, id: &CameraId, source: Option<&SourceUrl>) -> Result<(), CatalogueError> {
        let query =
            sqlx::query("UPDATE camera SET source = $2 WHERE id = $1").bind(id.as_str()).bind(source.map(SourceUrl::as_str));
        let changed = query.execute(self.writer()).await?.rows_affected();
        if changed == 0 { Err(CatalogueError::UnknownCamera(id.clone())) } else { Ok(()) }
    }

    /// Replaces where a camera's stream is, if it is still there, or is replaced already; `false`: it is elsewhere by now.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database does not take it: nothing is changed then.
    pub async fn move_camera_source(&self, id: &CameraId, from: &SourceUrl, to: &SourceUrl) -> Result<bool, CatalogueError> {
        let query = sqlx::query("UPDATE camera SET source = $3 WHERE id = $1 AND source IN ($2, $3)");
        let query = query.bind(id.as_str()).bind(from.as_str()).bind(to.as_str());
        Ok(query.execute(self.writer()).await?.rows_affected() > 0)
    }

    /// Holds from the next request on.
    ///
    /// # Errors
    /// [`CatalogueError::UnknownCamera`], or where the database does not take it: nothing is changed then.
    pub async fn set_camera_policy(&self, id: &CameraId, policy: &CameraPolicy) -> Result<(), CatalogueError> {
        self.change_camera_policy(id, |old| *old = policy.clone()).await.map(drop)
    }

    /// Changes what stands, in one transaction: of two who change it at once neither undoes the other.
    ///
    /// # Errors
    /// [`CatalogueError::UnknownCamera`], or where the database does not take it: nothing is changed then.
    pub async fn change_camera_policy(
        &self,
        id: &CameraId,
        change: impl FnOnce(&mut CameraPolicy),
    ) -> Result<Camera, CatalogueError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT * FROM camera WHERE id = $1").bind(id.as_str()).fetch_optional(&mut *tx).await?;
        let camera = row.as_ref().map_or_else(|| Err(CatalogueError::UnknownCamera(id.clone())), camera)?;
        // What somebody made of the row does not become what the owner said.
        let mut camera = self.camera_as_recorded(camera).await?;
        change(&mut camera.policy);
        sqlx::query("UPDATE camera SET policy = $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(document(&camera.policy)?)
            .execute(&mut *tx)
            .await?;
        if camera.policy.paused || camera.policy.revoked {
            self.end_lease(&mut tx, id).await?;
        }
        let committed = self.commit_policy(&mut tx, &camera).await?;
        tx.commit().await?;
        self.committed(committed).await;
        Ok(camera)
    }
}

pub(crate) fn camera(row: &DbRow) -> Result<Camera, CatalogueError> {
    let (id, agency): (String, String) = (row.try_get("id")?, row.try_get("agency")?);
    let unreadable = || CatalogueError::unreadable(format!("camera {id:?}"));
    let (latitude, longitude): (Option<f64>, Option<f64>) = (row.try_get("latitude")?, row.try_get("longitude")?);
    let source: Option<String> = row.try_get("source")?;
    Ok(Camera {
        id: CameraId::new(&id).map_err(|_| unreadable())?,
        agency: AgencyId::new(&agency).map_err(|_| unreadable())?,
        place: row.try_get("place")?,
        position: latitude.zip(longitude).map(|(latitude, longitude)| Position { latitude, longitude }),
        source: source.map(SourceUrl),
        zone: row.try_get("zone")?,
        policy: read_document(row.try_get("policy")?, || format!("policy of camera {id:?}"))?,
        created: time(row.try_get("created")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_keeps_nothing_secret() {
        for (given, kept, left_out) in [
            ("rtsp://cam.example:554/live/1", "rtsp://cam.example:554/live/1", false),
            ("rtsp://admin:s3cret@cam.example/live", "rtsp://cam.example/live", true),
            ("rtsp://c/real?channel=1&code=s3cret", "rtsp://c/real?channel=…&code=…", true),
        ] {
            let (url, dropped) = SourceUrl::parse(given).unwrap();
            assert_eq!((url.as_str(), dropped), (kept, left_out), "{given}");
            assert!(!format!("{url:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_unusable_source_is_refused_without_repeating_it() {
        for bad in ["s3cret", "rtsp://", "rtsp://u:s3cret@", "rtsp://u:s3/cret@host/x", "rt sp://s3cret", "://s3cret/x"] {
            let error = SourceUrl::parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error}");
        }
    }
}
