use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use types::{CameraId, CaptureTime, FootageDigest, JobId, ReceiveTime};
use uuid::Uuid;

use crate::{
    Catalogue, CatalogueError,
    cluster::lease::JobLease,
    engine::{DbRow, placeholders},
    jobs::segment::forget_segments,
    row::{capture, digest, micros, time},
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

/// A job and its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenJob {
    pub job: Job,
    pub lease: JobLease,
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

    /// Takes the job that waits longest, or whose server was not heard of for as long as its lease lasts; it is running when
    /// this returns, and its holder's. Of a job that was asked to stop all that is left is to end it. Leaves out `except`.
    pub async fn take_job(&self, holder: &str, lasts: Duration, except: &[JobId]) -> Result<Option<TakenJob>, CatalogueError> {
        let sql = format!(
            "UPDATE job SET state = 'running', holder = $1, epoch = epoch + 1, expires = {now} + $2, updated = $3
             WHERE id = (SELECT id FROM job WHERE (state = 'queued' OR state = 'running' AND expires <= {now}) {except}
             ORDER BY created, id LIMIT 1 {take}) RETURNING *",
            now = self.now_sql(),
            take = self.skip_locked_sql(),
            except = if except.is_empty() { String::new() } else { format!("AND id NOT IN ({})", placeholders(4, except.len())) },
        );
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(except.is_empty());
        let query = query.bind(holder).bind(micros(lasts)).bind(ReceiveTime::now().as_micros());
        let query = except.iter().fold(query, |query, id| query.bind(id.as_str()));
        let Some(row) = query.fetch_all(self.writer()).await?.pop() else { return Ok(None) };
        let job = job(&row)?;
        let epoch = row.try_get::<i64, _>("epoch")?.unsigned_abs();
        let lease = JobLease { job: job.id.clone(), holder: holder.to_owned(), epoch };
        Ok(Some(TakenJob { job, lease }))
    }

    /// Says that the holder is still there; returns the jobs that are still its own.
    pub async fn renew_jobs(&self, holder: &str, lasts: Duration) -> Result<Vec<JobId>, CatalogueError> {
        let sql =
            format!("UPDATE job SET expires = {} + $2 WHERE holder = $1 AND state = 'running' RETURNING id", self.now_sql());
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(holder).bind(micros(lasts));
        let ids: Vec<String> = query.fetch_all(self.writer()).await?;
        let read = |id: String| JobId::new(&id).map_err(|_| CatalogueError::unreadable(format!("job {id:?}")));
        ids.into_iter().map(read).collect()
    }

    /// Notes how far a running job is; `false` if it should stop.
    pub async fn progress_job(&self, lease: &JobLease, progress: JobProgress) -> Result<bool, CatalogueError> {
        let query = sqlx::query_scalar(
            "UPDATE job SET done_us = $4, total_us = $5, sightings = $6, updated = $7
             WHERE id = $1 AND holder = $2 AND epoch = $3 AND state = 'running' RETURNING cancelling",
        )
        .bind(lease.job.as_str())
        .bind(&lease.holder)
        .bind(lease.epoch.cast_signed())
        .bind(micros(progress.done))
        .bind(progress.total.map(micros))
        .bind(progress.sightings.cast_signed())
        .bind(ReceiveTime::now().as_micros());
        let cancelling: Option<i64> = query.fetch_all(self.writer()).await?.pop();
        cancelling.map(|cancelling| cancelling == 0).ok_or_else(|| not_ours(lease))
    }

    /// Ends a running job: done, failed or cancelled. Nothing is left of how it was cut.
    pub async fn finish_job(&self, lease: &JobLease, end: &JobState) -> Result<Job, CatalogueError> {
        if !end.is_final() {
            return Err(CatalogueError::JobState { id: lease.job.clone(), state: "running", wanted: end.as_str() });
        }
        let failure = match end {
            JobState::Failed(why) | JobState::Damaged(why) => Some(why.as_str()),
            _ => None,
        };
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "UPDATE job SET state = $4, failure = $5, cancelling = 0, expires = 0, updated = $6
             WHERE id = $1 AND holder = $2 AND epoch = $3 AND state = 'running' RETURNING *",
        )
        .bind(lease.job.as_str())
        .bind(&lease.holder)
        .bind(lease.epoch.cast_signed())
        .bind(end.as_str())
        .bind(failure)
        .bind(ReceiveTime::now().as_micros())
        .fetch_optional(&mut *tx)
        .await?;
        let ended = job(&row.ok_or_else(|| not_ours(lease))?)?;
        forget_segments(&mut tx, &lease.job).await?;
        tx.commit().await?;
        Ok(ended)
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

    /// Queues again what was running when the process died; what was asked to stop is cancelled. With a `holder`: what was
    /// its own; without one: everything, for somebody who is alone. Returns how many were queued.
    pub async fn requeue_running(&self, holder: Option<&str>) -> Result<u64, CatalogueError> {
        let now = ReceiveTime::now().as_micros();
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE job SET state = 'cancelled', cancelling = 0, expires = 0, updated = $1
             WHERE state = 'running' AND cancelling = 1 AND ($2 IS NULL OR holder = $2)",
        )
        .bind(now)
        .bind(holder)
        .execute(&mut *tx)
        .await?;
        let queued = sqlx::query(
            "UPDATE job SET state = 'queued', expires = 0, updated = $1
             WHERE state = 'running' AND ($2 IS NULL OR holder = $2)",
        )
        .bind(now)
        .bind(holder)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(queued.rows_affected())
    }

    /// Puts a job back that was taken and can't be done here.
    pub async fn put_back(&self, lease: &JobLease) -> Result<(), CatalogueError> {
        let query = sqlx::query(
            "UPDATE job SET state = 'queued', expires = 0 WHERE id = $1 AND holder = $2 AND epoch = $3 AND state = 'running'",
        );
        query.bind(lease.job.as_str()).bind(&lease.holder).bind(lease.epoch.cast_signed()).execute(self.writer()).await?;
        Ok(())
    }
}

fn not_ours(lease: &JobLease) -> CatalogueError {
    CatalogueError::NotOurs { what: format!("job {}", lease.job) }
}

pub(crate) fn job(row: &DbRow) -> Result<Job, CatalogueError> {
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
