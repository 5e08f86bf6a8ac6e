//! Who looked at a camera, for its owner: a copy of what the record says, by camera.

use access::{Action, AuditEntry, Caller, Phase};
use sqlx::{AssertSqlSafe, Row};
use types::{CameraId, CaseId, ReceiveTime};

use crate::{Catalogue, CatalogueError, engine::Tx, row::time};

/// Cameras noted by one statement; the database remembers as many texts.
const TOGETHER: usize = 32;

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
    /// The newest first, at most `limit`.
    pub async fn camera_accesses(&self, camera: &CameraId, limit: u32) -> Result<Vec<CameraAccess>, CatalogueError> {
        let query = sqlx::query("SELECT * FROM camera_access WHERE camera = $1 ORDER BY seq DESC LIMIT $2")
            .bind(camera.as_str())
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
}

/// Notes what an entry lets somebody look at; runs in the transaction that appends it as `seq`.
pub(crate) async fn note(tx: &mut Tx, entry: &AuditEntry, seq: u64) -> Result<(), CatalogueError> {
    let looks = entry.action.reads_sightings() && entry.phase == Phase::Begin;
    let (true, Some(caller), Some(case)) = (looks, &entry.caller, &entry.case) else { return Ok(()) };
    let cameras: Vec<_> = entry.detail.cameras.iter().collect();
    for some in cameras.chunks(TOGETHER) {
        let rows: Vec<_> = (6..6 + some.len()).map(|n| format!("(${n}, $1, $2, $3, $4, $5)")).collect();
        let sql = format!("INSERT INTO camera_access (camera, seq, at, action, caller, case_id) VALUES {}", rows.join(", "));
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(seq.cast_signed())
            .bind(entry.at.as_micros())
            .bind(entry.action.as_str())
            .bind(caller.uri())
            .bind(case.as_str());
        some.iter().fold(query, |query, camera| query.bind(camera.as_str())).execute(&mut **tx).await?;
    }
    Ok(())
}
