//! What happened to cases, in order. A row is written in the transaction of the change that it is about, so none is lost and none
//! tells of what did not happen.

use access::{Case, CaseEvent, CaseEventKind, Policy, Purpose};
use sqlx::Row;
use types::{CaseId, ReceiveTime};

use crate::{
    Catalogue, CatalogueError,
    engine::{DbRow, Tx, sequence},
    row::time,
};

/// So many are kept; the oldest go first.
const KEPT: i64 = 10_000;
/// Cases reminded of at once.
const PAGE: i64 = 1000;

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub seq: u64,
    /// `None`: its row can't be read.
    pub event: Option<CaseEvent>,
}

/// Adds events to those there are, within the change that they are about.
pub(crate) async fn note(tx: &mut Tx, events: &[CaseEvent]) -> Result<(), CatalogueError> {
    for event in events {
        let seq: i64 = sqlx::query_scalar("UPDATE sequence SET value = value + 1 WHERE name = 'case_events' RETURNING value")
            .fetch_one(&mut **tx)
            .await?;
        sqlx::query("INSERT INTO case_event (seq, kind, case_id, purpose, at, deadline) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(seq)
            .bind(event.kind.as_str())
            .bind(event.case.as_str())
            .bind(event.purpose.as_str())
            .bind(event.at.as_micros())
            .bind(event.deadline.map(ReceiveTime::as_micros))
            .execute(&mut **tx)
            .await?;
        sqlx::query("DELETE FROM case_event WHERE seq <= $1").bind(seq - KEPT).execute(&mut **tx).await?;
    }
    Ok(())
}

impl Catalogue {
    /// The events after `seq`, in order, at most `limit`.
    pub async fn case_events_since(&self, seq: u64, limit: u32) -> Result<Vec<StoredEvent>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM case_event WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq.cast_signed())
            .bind(i64::from(limit));
        query.fetch_all(self.reader()).await?.iter().map(stored_event).collect()
    }

    /// The number of the newest event; 0 before the first.
    pub async fn last_case_event(&self) -> Result<u64, CatalogueError> {
        Ok(sequence(self.reader(), "case_events").await?.unsigned_abs())
    }

    /// Adds events about cases that wait for hours, and about those that end soon: once each. How many.
    pub async fn remind_of_cases(&self, policy: &Policy, now: ReceiveTime) -> Result<usize, CatalogueError> {
        let mut tx = self.begin().await?;
        let mut reminded = 0;
        let waiting = sqlx::query(
            "SELECT * FROM case_file WHERE state = 'requested' AND told_waiting IS NULL AND opened <= $1 AND expires > $2
             ORDER BY opened, id LIMIT $3",
        )
        .bind(CaseEvent::waiting_since(now).as_micros());
        let waiting = waiting.bind(now.as_micros()).bind(PAGE).fetch_all(&mut *tx).await?;
        let of_waiting = |case: &Case| CaseEvent::waiting(policy, case, now);
        reminded += self.remind(&mut tx, &waiting, "told_waiting", now, of_waiting).await?;
        let expiring = sqlx::query(
            "SELECT * FROM case_file WHERE state = 'authorised' AND told_expiring IS NULL AND expires <= $1 AND expires > $2
             ORDER BY expires, id LIMIT $3",
        )
        .bind(CaseEvent::expiring_until(now).as_micros());
        let expiring = expiring.bind(now.as_micros()).bind(PAGE).fetch_all(&mut *tx).await?;
        reminded += self.remind(&mut tx, &expiring, "told_expiring", now, |case| CaseEvent::expiring(case, now)).await?;
        tx.commit().await?;
        Ok(reminded)
    }

    async fn remind(
        &self,
        tx: &mut Tx,
        rows: &[DbRow],
        told: &'static str,
        now: ReceiveTime,
        of: impl Fn(&Case) -> CaseEvent,
    ) -> Result<usize, CatalogueError> {
        let mut reminded = 0;
        for row in rows {
            let sql = format!("UPDATE case_file SET {told} = $2 WHERE id = $1");
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(row.try_get::<&str, _>("id")?).bind(now.as_micros());
            query.execute(&mut **tx).await?;
            // One that can't be read is for `check` to name; one that the record closed is over.
            let Ok(stored) = self.as_recorded(row) else { continue };
            if stored.case.closed.is_none() {
                note(tx, &[of(&stored.case)]).await?;
                reminded += 1;
            }
        }
        Ok(reminded)
    }

    /// How far the configured address was told; `None` before anything was configured.
    pub async fn notified(&self) -> Result<Option<u64>, CatalogueError> {
        let told: Option<i64> =
            sqlx::query_scalar("SELECT value FROM sequence WHERE name = 'notified'").fetch_optional(self.reader()).await?;
        Ok(told.map(i64::unsigned_abs))
    }

    /// From here on what happens is to be told, unless that was so before.
    pub async fn begin_notifying(&self) -> Result<(), CatalogueError> {
        let query = sqlx::query(
            "INSERT INTO sequence (name, value) SELECT 'notified', value FROM sequence WHERE name = 'case_events'
             ON CONFLICT (name) DO NOTHING",
        );
        query.execute(self.writer()).await?;
        Ok(())
    }

    /// The configured address was told everything up to this event. Never goes back.
    pub async fn set_notified(&self, seq: u64) -> Result<(), CatalogueError> {
        let query = sqlx::query("UPDATE sequence SET value = $1 WHERE name = 'notified' AND value < $1");
        query.bind(seq.cast_signed()).execute(self.writer()).await?;
        Ok(())
    }
}

fn stored_event(row: &DbRow) -> Result<StoredEvent, CatalogueError> {
    Ok(StoredEvent { seq: row.try_get::<i64, _>("seq")?.unsigned_abs(), event: event(row) })
}

fn event(row: &DbRow) -> Option<CaseEvent> {
    Some(CaseEvent {
        kind: CaseEventKind::parse(row.try_get("kind").ok()?)?,
        case: CaseId::new(row.try_get("case_id").ok()?).ok()?,
        purpose: row.try_get::<&str, _>("purpose").ok()?.parse::<Purpose>().ok()?,
        at: time(row.try_get("at").ok()?).ok()?,
        deadline: row.try_get::<Option<i64>, _>("deadline").ok()?.map(time).transpose().ok()?,
    })
}
