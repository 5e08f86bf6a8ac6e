use sqlx::Row;
use types::{AgencyId, CameraId, ReceiveTime, RecorderId};

use crate::{
    Catalogue, CatalogueError,
    cameras::agency::label,
    engine::DbRow,
    jobs::job::{Job, job},
    row::time,
};

/// A recorder to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecorder {
    /// Unique over all agencies.
    pub id: RecorderId,
    pub agency: AgencyId,
    /// For people, 1 to 200 characters.
    pub title: String,
    /// Where it is asked by ONVIF. Never with a user or a password.
    pub host: String,
    /// Recordings of it that may be played at once.
    pub sessions: u32,
    /// A second, of all that are played; `None`: as many as come.
    pub bits_per_second: Option<u64>,
}

/// One that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    pub spec: NewRecorder,
    pub created: ReceiveTime,
}

/// Which camera a recording is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecorderMap {
    /// As the recorder calls it.
    pub recording: String,
    pub camera: CameraId,
}

impl Catalogue {
    /// # Errors
    /// [`CatalogueError::Exists`], [`CatalogueError::UnknownAgency`].
    pub async fn add_recorder(&self, new: &NewRecorder) -> Result<Recorder, CatalogueError> {
        let title = label(&new.title)?;
        if new.host.contains('@') {
            return Err(CatalogueError::invalid("an address with a user in it:", "…"));
        }
        if self.agency(&new.agency).await?.is_none() {
            return Err(CatalogueError::UnknownAgency(new.agency.clone()));
        }
        let created = ReceiveTime::now();
        let added = sqlx::query(
            "INSERT INTO recorder (id, agency, title, host, sessions, bits, created) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT DO NOTHING",
        )
        .bind(new.id.as_str())
        .bind(new.agency.as_str())
        .bind(&title)
        .bind(&new.host)
        .bind(i64::from(new.sessions))
        .bind(new.bits_per_second.unwrap_or_default().cast_signed())
        .bind(created.as_micros())
        .execute(self.writer())
        .await?;
        if added.rows_affected() == 0 {
            return Err(CatalogueError::Exists { kind: "recorder", id: new.id.to_string() });
        }
        Ok(Recorder { spec: NewRecorder { title, ..new.clone() }, created })
    }

    /// # Errors
    /// [`CatalogueError::UnknownRecorder`].
    pub async fn recorder(&self, id: &RecorderId) -> Result<Recorder, CatalogueError> {
        let row = sqlx::query("SELECT * FROM recorder WHERE id = $1").bind(id.as_str()).fetch_optional(self.reader()).await?;
        row.as_ref().map_or_else(|| Err(CatalogueError::UnknownRecorder(id.clone())), recorder)
    }

    /// By id.
    pub async fn recorders(&self) -> Result<Vec<Recorder>, CatalogueError> {
        let rows = sqlx::query("SELECT * FROM recorder ORDER BY id").fetch_all(self.reader()).await?;
        rows.iter().map(recorder).collect()
    }

    /// Says which camera a recording is of; `None`: of none.
    pub async fn map_recording(&self, id: &RecorderId, recording: &str, camera: Option<&CameraId>) -> Result<(), CatalogueError> {
        self.recorder(id).await?;
        let Some(camera) = camera else {
            let query = sqlx::query("DELETE FROM recorder_camera WHERE recorder = $1 AND recording = $2");
            query.bind(id.as_str()).bind(recording).execute(self.writer()).await?;
            return Ok(());
        };
        self.camera(camera).await?;
        let query = sqlx::query(
            "INSERT INTO recorder_camera (recorder, recording, camera) VALUES ($1, $2, $3)
             ON CONFLICT (recorder, recording) DO UPDATE SET camera = excluded.camera",
        );
        query.bind(id.as_str()).bind(recording).bind(camera.as_str()).execute(self.writer()).await?;
        Ok(())
    }

    /// By the recorder's own names for them.
    pub async fn mapped_recordings(&self, id: &RecorderId) -> Result<Vec<RecorderMap>, CatalogueError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT recording, camera FROM recorder_camera WHERE recorder = $1 ORDER BY recording")
                .bind(id.as_str())
                .fetch_all(self.reader())
                .await?;
        let read = |(recording, camera): (String, String)| {
            let unreadable = |_| CatalogueError::unreadable(format!("camera {camera:?} of a recorder"));
            Ok(RecorderMap { recording, camera: CameraId::new(&camera).map_err(unreadable)? })
        };
        rows.into_iter().map(read).collect()
    }

    /// Jobs of a camera that look at what lies there.
    pub async fn jobs_at(&self, camera: &CameraId, path: &str) -> Result<Vec<Job>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM job WHERE camera = $1 AND path = $2 ORDER BY start, id");
        let rows = query.bind(camera.as_str()).bind(path).fetch_all(self.reader()).await?;
        rows.iter().map(job).collect()
    }

    /// Whether a job that has not ended looks at what lies at a path that begins so.
    pub async fn has_jobs_under(&self, path: &str) -> Result<bool, CatalogueError> {
        let end = i64::try_from(path.chars().count()).unwrap_or(i64::MAX);
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM job WHERE state IN ('queued', 'running') AND substr(path, 1, CAST($2 AS INTEGER)) = $1 LIMIT 1",
        )
        .bind(path)
        .bind(end)
        .fetch_optional(self.reader())
        .await?;
        Ok(found.is_some())
    }

    /// Forgets a recorder; what was pulled from it stays.
    ///
    /// # Errors
    /// [`CatalogueError::UnknownRecorder`].
    pub async fn remove_recorder(&self, id: &RecorderId) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM recorder_camera WHERE recorder = $1").bind(id.as_str()).execute(&mut *tx).await?;
        let gone = sqlx::query("DELETE FROM recorder WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        if gone.rows_affected() == 0 { Err(CatalogueError::UnknownRecorder(id.clone())) } else { Ok(()) }
    }
}

fn recorder(row: &DbRow) -> Result<Recorder, CatalogueError> {
    let (id, agency): (String, String) = (row.try_get("id")?, row.try_get("agency")?);
    let unreadable = || CatalogueError::unreadable(format!("recorder {id:?}"));
    let bits = row.try_get::<i64, _>("bits")?.unsigned_abs();
    Ok(Recorder {
        spec: NewRecorder {
            id: RecorderId::new(&id).map_err(|_| unreadable())?,
            agency: AgencyId::new(&agency).map_err(|_| unreadable())?,
            title: row.try_get("title")?,
            host: row.try_get("host")?,
            sessions: u32::try_from(row.try_get::<i64, _>("sessions")?).map_err(|_| unreadable())?,
            bits_per_second: Some(bits).filter(|bits| *bits > 0),
        },
        created: time(row.try_get("created")?)?,
    })
}
