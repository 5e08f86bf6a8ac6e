//! What is kept of sightings under a case: which were handed out, and what its requester thinks of them. Ids and closed words, for as
//! long as sighting and case are there.

use std::collections::BTreeMap;

use access::{MarkChange, Verdict};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};
use types::{CaseId, ReceiveTime, SightingId};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, in_lists},
    row::{id, time},
};

/// A mark as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptMark {
    pub sighting: SightingId,
    pub verdict: Option<Verdict>,
    /// Whether it lies in the tray.
    pub tray: bool,
    /// When it was changed last.
    pub at: ReceiveTime,
}

/// Where a mark stands in the list: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkPlace {
    at: i64,
    sighting: SightingId,
}

impl MarkPlace {
    pub fn of(kept: &KeptMark) -> Self {
        Self { at: kept.at.as_micros(), sighting: kept.sighting }
    }
}

impl Catalogue {
    /// Those of these that were handed out under the case and are still there.
    pub async fn handed_out(&self, case: &CaseId, ids: &[SightingId]) -> Result<Vec<SightingId>, CatalogueError> {
        let mut found = Vec::with_capacity(ids.len());
        for (list, some) in in_lists(ids, 2) {
            let sql = format!(
                "SELECT sighting FROM handed_out WHERE case_id = $1 AND sighting IN ({list})
                 AND EXISTS (SELECT 1 FROM sighting WHERE sighting.id = handed_out.sighting)"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).bind(case.as_str());
            let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
            for row in &query.fetch_all(self.reader()).await? {
                found.push(id(row.try_get("sighting")?)?);
            }
        }
        Ok(found)
    }

    /// Changes these, all or none. Of what has neither a verdict nor a place in the tray nothing is kept.
    pub async fn set_marks(
        &self,
        case: &CaseId,
        changes: &BTreeMap<SightingId, MarkChange>,
        at: ReceiveTime,
    ) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        for (sighting, change) in changes {
            let verdict = change.verdict.filter(|v| *v != Verdict::None);
            sqlx::query(
                "INSERT INTO mark (case_id, sighting, verdict, tray, at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (case_id, sighting) DO UPDATE
                 SET verdict = CASE WHEN $6 = 1 THEN excluded.verdict ELSE mark.verdict END,
                     tray = CASE WHEN $7 = 1 THEN excluded.tray ELSE mark.tray END, at = excluded.at",
            )
            .bind(case.as_str())
            .bind(sighting.0.as_bytes().as_slice())
            .bind(verdict.map_or("", Verdict::as_str))
            .bind(i64::from(change.tray.unwrap_or_default()))
            .bind(at.as_micros())
            .bind(i64::from(change.verdict.is_some()))
            .bind(i64::from(change.tray.is_some()))
            .execute(&mut *tx)
            .await?;
        }
        let nothing = "DELETE FROM mark WHERE case_id = $1 AND verdict = '' AND tray = 0";
        sqlx::query(nothing).bind(case.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What is kept of these.
    pub async fn marks(&self, case: &CaseId, ids: &[SightingId]) -> Result<Vec<KeptMark>, CatalogueError> {
        let mut found = Vec::with_capacity(ids.len());
        for (list, some) in in_lists(ids, 2) {
            let sql = format!("SELECT sighting, verdict, tray, at FROM mark WHERE case_id = $1 AND sighting IN ({list})");
            let query = sqlx::query(AssertSqlSafe(sql)).bind(case.as_str());
            let query = some.fold(query, |query, id| query.bind(id.0.as_bytes().as_slice()));
            for row in &query.fetch_all(self.reader()).await? {
                found.push(kept(row)?);
            }
        }
        Ok(found)
    }

    /// The next marks of a case after a place, the newest first, at most `limit`; with one verdict, or in the tray, if asked.
    /// Those of sightings that are gone are gone.
    pub async fn marks_page(
        &self,
        case: &CaseId,
        verdict: Option<Verdict>,
        in_tray: bool,
        after: Option<&MarkPlace>,
        limit: u32,
    ) -> Result<Vec<KeptMark>, CatalogueError> {
        let query = sqlx::query(
            "SELECT sighting, verdict, tray, at FROM mark WHERE case_id = $1 AND ($2 = '' OR verdict = $2) AND tray >= $3
             AND (at < $4 OR at = $4 AND sighting > $5)
             AND EXISTS (SELECT 1 FROM sighting WHERE sighting.id = mark.sighting)
             ORDER BY at DESC, sighting LIMIT $6",
        )
        .bind(case.as_str())
        .bind(verdict.filter(|v| *v != Verdict::None).map_or("", Verdict::as_str))
        .bind(i64::from(in_tray))
        .bind(after.map_or(i64::MAX, |place| place.at))
        .bind(after.map_or(&[][..], |place| place.sighting.0.as_bytes().as_slice()))
        .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(kept).collect()
    }

    /// Forgets all that was kept under a case, and says how much that was.
    pub async fn forget_marks(&self, case: &CaseId) -> Result<u64, CatalogueError> {
        let mut tx = self.begin().await?;
        let marks = sqlx::query("DELETE FROM mark WHERE case_id = $1").bind(case.as_str()).execute(&mut *tx).await?;
        let handed = sqlx::query("DELETE FROM handed_out WHERE case_id = $1").bind(case.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(marks.rows_affected() + handed.rows_affected())
    }

    /// Not with a trigger: a live sighting that is stored again when its track ends is deleted for a moment.
    pub(crate) async fn forget_marks_of_the_gone(&self) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        for table in ["mark", "handed_out"] {
            let sql =
                format!("DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.id = {table}.sighting)");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn kept(row: &DbRow) -> Result<KeptMark, CatalogueError> {
    let sighting = id(row.try_get("sighting")?)?;
    let verdict = match row.try_get("verdict")? {
        "" => None,
        word => Some(Verdict::parse(word).ok_or_else(|| CatalogueError::unreadable(format!("the mark of sighting {sighting}")))?),
    };
    let tray = row.try_get::<i64, _>("tray")? != 0;
    Ok(KeptMark { sighting, verdict, tray, at: time(row.try_get("at")?)? })
}
