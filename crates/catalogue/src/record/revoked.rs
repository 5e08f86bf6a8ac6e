use access::Caller;
use sqlx::Row;
use types::ReceiveTime;

use crate::{Catalogue, CatalogueError, row::time};

/// A certificate that is not taken any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedIdentity {
    /// The certificate's serial number in lower-case hexadecimal.
    pub serial: String,
    /// Whom it named.
    pub caller: Caller,
    pub at: ReceiveTime,
    /// `None`: somebody at the home folder, with no server running.
    pub by: Option<Caller>,
}

impl Catalogue {
    /// Durable when it returns; one that is revoked already stays as it was.
    pub async fn revoke_identity(&self, revoked: &RevokedIdentity) -> Result<(), CatalogueError> {
        sqlx::query("INSERT INTO revoked_identity (serial, caller, at, revoker) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(&revoked.serial)
            .bind(revoked.caller.uri())
            .bind(revoked.at.as_micros())
            .bind(revoked.by.as_ref().map(Caller::uri))
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// In the order of their revocation.
    pub async fn revoked_identities(&self) -> Result<Vec<RevokedIdentity>, CatalogueError> {
        let rows = sqlx::query("SELECT * FROM revoked_identity ORDER BY at, serial").fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| {
                let serial: String = row.try_get("serial")?;
                let caller = |uri: &str| {
                    Caller::from_uri(uri).map_err(|_| CatalogueError::unreadable(format!("revoked certificate {serial}")))
                };
                let by: Option<&str> = row.try_get("revoker")?;
                Ok(RevokedIdentity {
                    caller: caller(row.try_get("caller")?)?,
                    at: time(row.try_get("at")?)?,
                    by: by.map(caller).transpose()?,
                    serial: serial.clone(),
                })
            })
            .collect()
    }
}
