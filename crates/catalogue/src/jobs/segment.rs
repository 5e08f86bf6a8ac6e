//! Which parts of a job's footage are done, so that one that was cut off goes on with the others.

use std::time::Duration;

use sqlx::Row;
use types::{JobId, TimeWindow};

use crate::{
    Catalogue, CatalogueError,
    cluster::{fencing_token::FencingToken, lease::JobLease},
    engine::{DbRow, Tx},
    row::{capture, micros},
};

/// What one segment of footage gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentDone {
    /// Its place in the footage, from 0.
    pub number: u32,
    /// Frames that were looked at.
    pub frames: u64,
    /// People and vehicles found in them, each frame anew.
    pub detections: u64,
    /// Sightings stored.
    pub sightings: u64,
    /// Sightings left out because their crop could not be redacted.
    pub crops_refused: u64,
    /// Pictures that were not looked at.
    pub unseen: u64,
    /// From here on times are guesses, by the footage's own time.
    pub guessed: Option<Duration>,
    /// Why the footage ended early, if only its readable part was wanted; text of whoever looks at it.
    pub damage: Option<String>,
}

/// What [`Catalogue::plan_job`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The segments that are done already.
    GoesOn(Vec<SegmentDone>),
    /// Nothing that counts was done before.
    Anew,
}

impl Catalogue {
    /// Says how a job is cut and by what it is read. Segments done the same way before still count; of any other way nothing
    /// is kept here, and whoever asks removes what was stored.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn plan_job(&self, lease: &JobLease, recipe: &str, segments: u32) -> Result<Plan, CatalogueError> {
        let id = &lease.job;
        let mut tx = self.begin().await?;
        self.check_token(&mut tx, &FencingToken::from(lease.clone())).await?;
        let before: Option<(String, i64)> = sqlx::query_as("SELECT recipe, segments FROM job_plan WHERE job = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        if before.is_some_and(|(how, count)| how == recipe && count == i64::from(segments)) {
            let rows = sqlx::query("SELECT * FROM job_segment WHERE job = $1 ORDER BY number")
                .bind(id.as_str())
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            return Ok(Plan::GoesOn(rows.iter().map(segment).collect::<Result<_, CatalogueError>>()?));
        }
        forget_segments(&mut tx, id).await?;
        forget_gaps(&mut tx, id).await?;
        sqlx::query("INSERT INTO job_plan (job, recipe, segments) VALUES ($1, $2, $3)")
            .bind(id.as_str())
            .bind(recipe)
            .bind(i64::from(segments))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Plan::Anew)
    }

    /// Notes where a recorder had nothing, before the segment in which that is counts as done. The same again changes nothing.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn note_gaps(&self, lease: &JobLease, gaps: &[TimeWindow]) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        self.check_token(&mut tx, &FencingToken::from(lease.clone())).await?;
        for gap in gaps {
            let query = sqlx::query(
                "INSERT INTO job_gap (job, from_us, to_us) VALUES ($1, $2, $3)
                 ON CONFLICT (job, from_us) DO UPDATE SET to_us = excluded.to_us",
            );
            query.bind(lease.job.as_str()).bind(gap.from().as_micros()).bind(gap.to().as_micros()).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Where its recorder had nothing, in order; what lies side by side is one.
    ///
    /// # Errors
    /// [`CatalogueError`] where the database, or a row of it, can't be read.
    pub async fn gaps(&self, job: &JobId) -> Result<Vec<TimeWindow>, CatalogueError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as("SELECT from_us, to_us FROM job_gap WHERE job = $1 ORDER BY from_us")
            .bind(job.as_str())
            .fetch_all(self.reader())
            .await?;
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (from, to) in rows {
            match merged.last_mut() {
                Some((_, before)) if *before >= from => *before = to.max(*before),
                _ => merged.push((from, to)),
            }
        }
        let unreadable = || CatalogueError::unreadable(format!("gap of job {job}"));
        merged.into_iter().map(|(from, to)| TimeWindow::new(capture(from)?, capture(to)?).map_err(|_| unreadable())).collect()
    }

    /// A segment is done: all its sightings are stored. Durable when this returns.
    ///
    /// # Errors
    /// [`CatalogueError::NotOurs`] where another server has the lease by now, or where the database does not take it:
    /// nothing is changed then.
    pub async fn finish_segment(&self, lease: &JobLease, done: SegmentDone) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        self.check_token(&mut tx, &FencingToken::from(lease.clone())).await?;
        sqlx::query(
            "INSERT INTO job_segment (job, number, frames, detections, sightings, crops_refused, unseen, guessed_us, damage)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (job, number) DO NOTHING",
        )
        .bind(lease.job.as_str())
        .bind(i64::from(done.number))
        .bind(done.frames.cast_signed())
        .bind(done.detections.cast_signed())
        .bind(done.sightings.cast_signed())
        .bind(done.crops_refused.cast_signed())
        .bind(done.unseen.cast_signed())
        .bind(done.guessed.map(micros))
        .bind(done.damage)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Forgets a job that has ended, so that its footage can be added again, with another start too.
    ///
    /// # Errors
    /// [`CatalogueError::JobState`] while it waits or runs.
    pub async fn remove_job(&self, id: &JobId) -> Result<(), CatalogueError> {
        let job = self.job(id).await?;
        if !job.state.is_final() {
            return Err(CatalogueError::JobState { id: id.clone(), state: job.state.as_str(), wanted: "removed" });
        }
        let mut tx = self.begin().await?;
        forget_segments(&mut tx, id).await?;
        forget_gaps(&mut tx, id).await?;
        sqlx::query("DELETE FROM job WHERE id = $1 AND state IN ('done', 'failed', 'cancelled')")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

/// Nothing of the job counts any more.
pub(crate) async fn forget_segments(tx: &mut Tx, id: &JobId) -> Result<(), CatalogueError> {
    sqlx::query("DELETE FROM job_segment WHERE job = $1").bind(id.as_str()).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM job_plan WHERE job = $1").bind(id.as_str()).execute(&mut **tx).await?;
    Ok(())
}

/// Nor where its recorder had nothing.
async fn forget_gaps(tx: &mut Tx, id: &JobId) -> Result<(), CatalogueError> {
    sqlx::query("DELETE FROM job_gap WHERE job = $1").bind(id.as_str()).execute(&mut **tx).await?;
    Ok(())
}

fn segment(row: &DbRow) -> Result<SegmentDone, CatalogueError> {
    let count = |column: &str| -> Result<u64, CatalogueError> { Ok(row.try_get::<i64, _>(column)?.unsigned_abs()) };
    Ok(SegmentDone {
        number: u32::try_from(count("number")?).unwrap_or(u32::MAX),
        frames: count("frames")?,
        detections: count("detections")?,
        sightings: count("sightings")?,
        crops_refused: count("crops_refused")?,
        unseen: count("unseen")?,
        guessed: row.try_get::<Option<i64>, _>("guessed_us")?.map(|at| Duration::from_micros(at.unsigned_abs())),
        damage: row.try_get("damage")?,
    })
}
