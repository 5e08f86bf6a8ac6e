use std::time::Duration;

use sqlx::Row;
use types::{CameraId, CaptureTime, FootageDigest, JobId, ReceiveTime};
use uuid::Uuid;

use crate::{
    Catalogue, CatalogueError,
    engine::DbRow,
    row::{capture, digest, time},
};

/// Footage to be turned into sightings. Two of these are one job if all but the path are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    pub camera: CameraId,
    pub footage: FootageDigest,
    /// Where the file is, as the server sees it.
    pub path: String,
    /// When its first frame was taken.
    pub start: CaptureTime,
    /// Whatever else changes what comes out, as text that is equal when it is equal.
    pub settings: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub spec: NewJob,
    pub state: JobState,
    /// Somebody asked it to stop; it will once it has noticed.
    pub cancelling: bool,
    pub progress: JobProgress,
    pub created: ReceiveTime,
    pub updated: ReceiveTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    Queued,
    Running,
    Done,
    /// Done as far as the file can be read, which was asked for; what is wrong with the rest, for people.
    Damaged(String),
    /// Why, for people.
    Failed(String),
    Cancelled,
}

impl JobState {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done | Self::Damaged(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more will happen to it by itself.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Damaged(_) | Self::Failed(_) | Self::Cancelled)
    }
}

/// How far a job is, in time of the footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobProgress {
    pub done: Duration,
    /// As far as the file says.
    pub total: Option<Duration>,
    pub sightings: u64,
}

/// What adding a job did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedJob {
    New(Job),
    /// It had failed or was cancelled, and is queued again.
    Again(Job),
    /// It is queued, running or done already.
    Existing(Job),
}

impl AddedJob {
    pub fn job(&self) -> &Job {
        match self {
            Self::New(job) | Self::Again(job) | Self::Existing(job) => job,
        }
    }
}

impl NewJob {
    /// Derived, so that the same footage added twice is one job.
    pub fn id(&self) -> JobId {
        let mut name = Vec::new();
        for part in
            [self.camera.as_str().as_bytes(), &self.footage.0, &self.start.as_micros().to_be_bytes(), self.settings.as_bytes()]
        {
            name.extend_from_slice(&(part.len() as u64).to_be_bytes());
            name.extend_from_slice(part);
        }
        let digits = Uuid::new_v5(&Uuid::NAMESPACE_OID, &name).simple().to_string();
        // 16 hexadecimal digits are a slug.
        JobId::new(&format!("job-{}", &digits[..16])).unwrap_or_else(|_| unreachable!("hexadecimal digits are a slug"))
    }
}

impl Catalogue {
    /// Queues footage, once. The path of a job that starts again is the one given now.
    pub async fn add_job(&self, new: &NewJob) -> Result<AddedJob, CatalogueError> {
        self.camera(&new.camera).await?;
        let (id, now) = (new.id(), ReceiveTime::now().as_micros());
        let mut tx = self.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO job (id, camera, footage, path, start, settings, state, created, updated)
             VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $7) ON CONFLICT DO NOTHING",
        )
        .bind(id.as_str())
        .bind(new.camera.as_str())
        .bind(new.footage.0.as_slice())
        .bind(&new.path)
        .bind(new.start.as_micros())
        .bind(&new.settings)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let again = sqlx::query(
            "UPDATE job SET state = 'queued', failure = NULL, cancelling = 0, done_us = 0, sightings = 0, path = $2, updated = $3
             WHERE id = $1 AND state IN ('failed', 'cancelled')",
        )
        .bind(id.as_str())
        .bind(&new.path)
        .bind(now)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let row = sqlx::query("SELECT * FROM job WHERE id = $1").bind(id.as_str()).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        let job = job(&row)?;
        Ok(match (inserted, again) {
            (1, _) => AddedJob::New(job),
            (_, 1) => AddedJob::Again(job),
            _ => AddedJob::Existing(job),
        })
    }

    pub async fn job(&self, id: &JobId) -> Result<Job, CatalogueError> {
        let row = sqlx::query("SELECT * FROM job WHERE id = $1").bind(id.as_str()).fetch_optional(self.reader()).await?;
        row.as_ref().map_or_else(|| Err(CatalogueError::UnknownJob(id.clone())), job)
    }

    /// The newest first, at most `limit`.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<Job>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM job ORDER BY created DESC, id LIMIT $1").bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(job).collect()
    }

    /// Takes the job that waits longest; it is running when this returns.
    pub async fn take_job(&self) -> Result<Option<Job>, CatalogueError> {
        let query = sqlx::query(
            "UPDATE job SET state = 'running', updated = $1
             WHERE id = (SELECT id FROM job WHERE state = 'queued' ORDER BY created, id LIMIT 1) RETURNING *",
        )
        .bind(ReceiveTime::now().as_micros());
        query.fetch_all(self.writer()).await?.pop().as_ref().map(job).transpose()
    }

    /// Notes how far a running job is; `false` if it should stop.
    pub async fn progress_job(&self, id: &JobId, progress: JobProgress) -> Result<bool, CatalogueError> {
        let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(
            "UPDATE job SET done_us = $2, total_us = $3, sightings = $4, updated = $5 WHERE id = $1 AND state = 'running' RETURNING cancelling",
        )
        .bind(id.as_str())
        .bind(micros(progress.done))
        .bind(progress.total.map(micros))
        .bind(progress.sightings.cast_signed())
        .bind(ReceiveTime::now().as_micros());
        let cancelling: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        match cancelling {
            Some(cancelling) => Ok(cancelling == 0),
            None => {
                Err(CatalogueError::JobState { state: self.job(id).await?.state.as_str(), id: id.clone(), wanted: "running" })
            }
        }
    }

    /// Ends a running job: done, failed or cancelled.
    pub async fn finish_job(&self, id: &JobId, end: &JobState) -> Result<Job, CatalogueError> {
        let wanted = end.as_str();
        let refused = |state| CatalogueError::JobState { id: id.clone(), state, wanted };
        if !end.is_final() {
            return Err(refused("running"));
        }
        let failure = match end {
            JobState::Failed(why) | JobState::Damaged(why) => Some(why.as_str()),
            _ => None,
        };
        let query = sqlx::query("UPDATE job SET state = $2, failure = $3, cancelling = 0, updated = $4 WHERE id = $1 AND state = 'running' RETURNING *")
            .bind(id.as_str())
            .bind(wanted)
            .bind(failure)
            .bind(ReceiveTime::now().as_micros());
        match query.fetch_all(self.writer()).await?.pop() {
            Some(row) => job(&row),
            None => Err(refused(self.job(id).await?.state.as_str())),
        }
    }

    /// A queued job is cancelled at once, a running one is asked to stop, one that ended stays as it is.
    pub async fn cancel_job(&self, id: &JobId) -> Result<Job, CatalogueError> {
        let query = sqlx::query(
            "UPDATE job SET cancelling = CASE state WHEN 'running' THEN 1 ELSE 0 END, state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END, updated = $2
             WHERE id = $1 AND state IN ('queued', 'running') RETURNING *",
        )
        .bind(id.as_str())
        .bind(ReceiveTime::now().as_micros());
        match query.fetch_all(self.writer()).await?.pop() {
            Some(row) => job(&row),
            None => self.job(id).await,
        }
    }

    /// Queues again what was running when the process died; what was asked to stop is cancelled. Call it at start. Returns
    /// how many were queued.
    pub async fn requeue_running(&self) -> Result<u64, CatalogueError> {
        let now = ReceiveTime::now().as_micros();
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE job SET state = 'cancelled', cancelling = 0, updated = $1 WHERE state = 'running' AND cancelling = 1",
        )
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let queued = sqlx::query("UPDATE job SET state = 'queued', updated = $1 WHERE state = 'running'")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(queued.rows_affected())
    }
}

fn job(row: &DbRow) -> Result<Job, CatalogueError> {
    let text: String = row.try_get("id")?;
    let unreadable = || CatalogueError::unreadable(format!("job {text:?}"));
    let duration = |micros: i64| Duration::from_micros(micros.unsigned_abs());
    let failure: Option<String> = row.try_get("failure")?;
    let state = match row.try_get::<&str, _>("state")? {
        "queued" => JobState::Queued,
        "running" => JobState::Running,
        "done" => failure.map_or(JobState::Done, JobState::Damaged),
        "failed" => JobState::Failed(failure.unwrap_or_default()),
        "cancelled" => JobState::Cancelled,
        _ => return Err(unreadable()),
    };
    Ok(Job {
        id: JobId::new(&text).map_err(|_| unreadable())?,
        spec: NewJob {
            camera: CameraId::new(row.try_get("camera")?).map_err(|_| unreadable())?,
            footage: FootageDigest(digest(row.try_get("footage")?)?),
            path: row.try_get("path")?,
            start: capture(row.try_get("start")?)?,
            settings: row.try_get("settings")?,
        },
        state,
        cancelling: row.try_get::<i64, _>("cancelling")? != 0,
        progress: JobProgress {
            done: duration(row.try_get("done_us")?),
            total: row.try_get::<Option<i64>, _>("total_us")?.map(duration),
            sightings: row.try_get::<i64, _>("sightings")?.unsigned_abs(),
        },
        created: time(row.try_get("created")?)?,
        updated: time(row.try_get("updated")?)?,
    })
}
