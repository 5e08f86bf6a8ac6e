use access::{AuditEntry, Phase};
use sqlx::Row;
use types::ReceiveTime;

use crate::{Catalogue, CatalogueError};

impl Catalogue {
    /// When the record's last entries were written, at most `most` of them, back to where somebody said that the clock was right.
    pub async fn last_recorded(&self, most: u32) -> Result<Vec<ReceiveTime>, CatalogueError> {
        let query = sqlx::query("SELECT entry FROM audit ORDER BY seq DESC LIMIT $1").bind(i64::from(most));
        let mut times = Vec::new();
        for row in query.fetch_all(self.reader()).await? {
            // One that can't be read says no time; `check` names it.
            let Ok(entry) = AuditEntry::from_bytes(row.try_get("entry")?) else { continue };
            if entry.detail.clock_is_right && entry.phase == Phase::Begin {
                break;
            }
            times.push(entry.at);
        }
        Ok(times)
    }
}
