//! Lists, a page at a time: what is asked for is chosen by the database, and a page begins after a place in the order, not after
//! a count, so that what comes or goes meanwhile moves nothing.

use access::CaseState;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use types::{AgencyId, CameraId, CaseId, HoldId, JobId};

use crate::{
    Camera, Catalogue, CatalogueError, Job, StoredCase, StoredHold, cameras::camera::camera, cases::hold, jobs::job::job,
};

/// Where a case stands in the list: emergencies that nobody has reviewed, then what waits, each the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasePlace {
    urgency: i64,
    opened: i64,
    id: String,
}

/// Where a job stands: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlace {
    created: i64,
    id: JobId,
}

impl JobPlace {
    /// The place right after this job.
    pub fn of(job: &Job) -> Self {
        Self { created: job.created.as_micros(), id: job.id.clone() }
    }
}

/// Where a hold stands: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlace {
    placed: i64,
    id: HoldId,
}

impl HoldPlace {
    /// The place right after this hold.
    pub fn of(stored: &StoredHold) -> Self {
        Self { placed: stored.hold.placed.at.as_micros(), id: stored.hold.id.clone() }
    }
}

/// How many jobs there are in a state, and sightings of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCounts {
    /// Waiting for a worker.
    pub queued: u64,
    /// Being looked at.
    pub running: u64,
    /// Looked at to the end, or as far as the file can be read.
    pub done: u64,
    /// Ended by a fault.
    pub failed: u64,
    /// Stopped by somebody.
    pub cancelled: u64,
    /// That came of them so far; of what failed or was stopped none is kept.
    pub sightings: u64,
}

impl Catalogue {
    /// The next cases after a place, at most `limit` and each with its own; of one state and of one requester's organisation, if
    /// given. Fewer than `limit`: there are no more. `None`: the row is damaged; `check` names it.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn cases_page(
        &self,
        state: Option<CaseState>,
        organisation: Option<&str>,
        after: Option<&CasePlace>,
        limit: u32,
    ) -> Result<Vec<(Option<StoredCase>, CasePlace)>, CatalogueError> {
        let urgency = self.urgency_sql();
        let sql = format!(
            "SELECT case_file.*, CAST({urgency} AS BIGINT) AS urgency FROM case_file
             WHERE ($1 = '' OR state = $1) AND ($2 = '' OR organisation = $2)
             AND ({urgency} > $3 OR {urgency} = $3 AND (opened < $4 OR opened = $4 AND id > $5))
             ORDER BY {urgency}, opened DESC, id LIMIT $6"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(state.map_or("", CaseState::as_str))
            .bind(organisation.unwrap_or_default())
            .bind(after.map_or(-1, |p| p.urgency))
            .bind(after.map_or(i64::MAX, |p| p.opened))
            .bind(after.map_or("", |p| p.id.as_str()))
            .bind(i64::from(limit));
        let mut cases = Vec::new();
        for row in &query.fetch_all(self.reader()).await? {
            let id: String = row.try_get("id")?;
            let place = CasePlace { urgency: row.try_get("urgency")?, opened: row.try_get("opened")?, id };
            let case = self.as_recorded(row);
            if let Err(error) = &case {
                tracing::error!(case = place.id, %error, "a case is left out of a list: its row is damaged");
            }
            cases.push((case.ok(), place));
        }
        Ok(cases)
    }

    /// The next jobs after a place, at most `limit`; in one state (as [`crate::JobState::as_str`] says it) and of one agency's
    /// cameras, if given.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn jobs_page(
        &self,
        state: Option<&str>,
        agency: Option<&str>,
        after: Option<&JobPlace>,
        limit: u32,
    ) -> Result<Vec<Job>, CatalogueError> {
        let query = sqlx::query(
            "SELECT * FROM job WHERE ($1 = '' OR state = $1)
             AND ($2 = '' OR camera IN (SELECT camera.id FROM camera WHERE camera.agency = $2))
             AND (created < $3 OR created = $3 AND id > $4) ORDER BY created DESC, id LIMIT $5",
        )
        .bind(state.unwrap_or_default())
        .bind(agency.unwrap_or_default())
        .bind(after.map_or(i64::MAX, |p| p.created))
        .bind(after.map_or("", |p| p.id.as_str()))
        .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(job).collect()
    }

    /// How many jobs are in which state, and what came of them; of one agency's cameras, if given.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn job_counts(&self, agency: Option<&str>) -> Result<JobCounts, CatalogueError> {
        let mut counts = JobCounts::default();
        let query = sqlx::query(
            "SELECT state, count(*) AS jobs,
             CAST(sum(CASE WHEN state IN ('failed', 'cancelled') THEN 0 ELSE sightings END) AS BIGINT) AS sightings FROM job
             WHERE $1 = '' OR camera IN (SELECT camera.id FROM camera WHERE camera.agency = $1) GROUP BY state",
        );
        for row in query.bind(agency.unwrap_or_default()).fetch_all(self.reader()).await? {
            let jobs = row.try_get::<i64, _>("jobs")?.unsigned_abs();
            counts.sightings += row.try_get::<i64, _>("sightings")?.unsigned_abs();
            match row.try_get("state")? {
                "queued" => counts.queued = jobs,
                "running" => counts.running = jobs,
                "done" => counts.done = jobs,
                "failed" => counts.failed = jobs,
                "cancelled" => counts.cancelled = jobs,
                other => return Err(CatalogueError::unreadable(format!("job state {other:?}"))),
            }
        }
        Ok(counts)
    }

    /// How many jobs wait.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database can't be read.
    pub async fn queued_count(&self) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM job WHERE state = 'queued'").fetch_one(self.reader()).await?;
        Ok(count.unsigned_abs())
    }

    /// Every job that runs.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn running_jobs(&self) -> Result<Vec<Job>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM job WHERE state = 'running' ORDER BY created, id");
        query.fetch_all(self.reader()).await?.iter().map(job).collect()
    }

    /// The jobs of the same footage of a camera: one, unless it was added with another start or other settings too.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn jobs_of(&self, camera: &CameraId, footage: &types::FootageDigest) -> Result<Vec<Job>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM job WHERE camera = $1 AND footage = $2 ORDER BY created, id");
        let query = query.bind(camera.as_str()).bind(footage.0.as_slice());
        query.fetch_all(self.reader()).await?.iter().map(job).collect()
    }

    /// The next cameras after one, by id, at most `limit`; of one agency, if given.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn cameras_page(
        &self,
        agency: Option<&AgencyId>,
        after: Option<&CameraId>,
        limit: u32,
    ) -> Result<Vec<Camera>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM camera WHERE id > $1 AND ($2 = '' OR agency = $2) ORDER BY id LIMIT $3")
            .bind(after.map_or("", CameraId::as_str))
            .bind(agency.map_or("", AgencyId::as_str))
            .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(camera).collect()
    }

    /// How many cameras there are.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn camera_count(&self) -> Result<u64, CatalogueError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM camera").fetch_one(self.reader()).await?;
        Ok(count.unsigned_abs())
    }

    /// The next holds after a place, at most `limit`; of one case, if given.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn holds_page(
        &self,
        case: Option<&CaseId>,
        after: Option<&HoldPlace>,
        limit: u32,
    ) -> Result<Vec<StoredHold>, CatalogueError> {
        let query = sqlx::query(
            "SELECT * FROM hold WHERE ($1 = '' OR case_id = $1) AND (placed < $2 OR placed = $2 AND id > $3)
             ORDER BY placed DESC, id LIMIT $4",
        )
        .bind(case.map_or("", CaseId::as_str))
        .bind(after.map_or(i64::MAX, |p| p.placed))
        .bind(after.map_or("", |p| p.id.as_str()))
        .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(hold::stored).collect()
    }
}
