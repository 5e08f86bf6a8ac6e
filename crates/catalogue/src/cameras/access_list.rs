//! Who looked at a camera, for its owner: a copy of what the record says, by camera.

use access::{Action, Caller, Phase};
use sqlx::{AssertSqlSafe, Row};
use types::{CameraId, CaseId, ReceiveTime};

use crate::{
    AuditRecord, Catalogue, CatalogueError,
    engine::{insert_batches, rows, sequence},
    record::audit::record,
    row::time,
};

/// Entries of one transaction.
const BATCH: i64 = 32;

/// A search or an export that covered a camera, or a crop of it that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraAccess {
    /// Of the audit entry.
    pub seq: u64,
    pub at: ReceiveTime,
    pub action: Action,
    pub caller: Caller,
    pub case: CaseId,
}

impl Catalogue {
    /// The newest first, at most `limit`; before an entry, if one is given. All that are on the record when this is called.
    pub async fn camera_accesses(
        &self,
        camera: &CameraId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<CameraAccess>, CatalogueError> {
        self.note_accesses().await?;
        let query = sqlx::query("SELECT * FROM camera_access WHERE camera = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3")
            .bind(camera.as_str())
            .bind(before.map_or(i64::MAX, u64::cast_signed))
            .bind(i64::from(limit));
        let unreadable = || CatalogueError::unreadable(format!("an access to camera {camera}"));
        let rows = query.fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| {
                Ok(CameraAccess {
                    seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
                    at: time(row.try_get("at")?)?,
                    action: Action::parse(row.try_get("action")?).ok_or_else(unreadable)?,
                    caller: Caller::from_uri(row.try_get("caller")?).map_err(|_| unreadable())?,
                    case: CaseId::new(row.try_get("case_id")?).map_err(|_| unreadable())?,
                })
            })
            .collect()
    }

    /// Copies to this list what the record has more. Not with each entry: a search of twenty cameras is twenty pages of it, and
    /// somebody waits.
    pub async fn note_accesses(&self) -> Result<(), CatalogueError> {
        while self.note_some().await? {}
        Ok(())
    }

    /// Makes this list again from the whole record.
    pub(crate) async fn note_accesses_again(&self) -> Result<(), CatalogueError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM camera_access").execute(&mut *tx).await?;
        sqlx::query("UPDATE sequence SET value = 0 WHERE name = 'accesses'").execute(&mut *tx).await?;
        tx.commit().await?;
        self.note_accesses().await
    }

    /// Whether there may be more. In one short transaction: who appends to the record waits for it.
    async fn note_some(&self) -> Result<bool, CatalogueError> {
        let noted = sequence(self.reader(), "accesses").await?;
        let last = self.audit_len().await?.cast_signed().min(noted + BATCH);
        if last <= noted {
            return Ok(false);
        }
        let query = sqlx::query("SELECT seq, entry FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq").bind(noted).bind(last);
        // One that can't be read stops nothing: `check` names it.
        let records: Vec<_> = query.fetch_all(self.reader()).await?.iter().filter_map(|row| record(row).ok()).collect();
        let looks: Vec<_> = records.iter().flat_map(looks).collect();
        let mut tx = self.begin().await?;
        let ours = sqlx::query("UPDATE sequence SET value = $2 WHERE name = 'accesses' AND value = $1")
            .bind(noted)
            .bind(last)
            .execute(&mut *tx)
            .await?;
        // Otherwise somebody else has copied them meanwhile.
        if ours.rows_affected() == 1 {
            for some in insert_batches(&looks) {
                let sql = format!(
                    "INSERT INTO camera_access (camera, seq, at, action, caller, case_id) VALUES {}",
                    rows(6, some.len())
                );
                let query = some.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, look| {
                    let query = query.bind(look.camera.as_str()).bind(look.record.receipt.seq.cast_signed());
                    let entry = &look.record.entry;
                    query.bind(entry.at.as_micros()).bind(entry.action.as_str()).bind(look.caller.uri()).bind(look.case.as_str())
                });
                query.execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// One camera that an entry lets somebody look at.
pub(crate) struct Look<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) record: &'a AuditRecord,
    pub(crate) caller: &'a Caller,
    pub(crate) case: &'a CaseId,
}

pub(crate) fn looks(record: &AuditRecord) -> impl Iterator<Item = Look<'_>> {
    let entry = &record.entry;
    let looks = entry.action.reads_sightings() && entry.phase == Phase::Begin;
    let by = entry.caller.as_ref().zip(entry.case.as_ref()).filter(|_| looks);
    by.into_iter()
        .flat_map(move |(caller, case)| entry.detail.cameras.iter().map(move |camera| Look { camera, record, caller, case }))
}
