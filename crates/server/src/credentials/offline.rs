//! Certificates are revoked, and those that were are listed, while no server runs.

use std::sync::Arc;

use access::{Action, AuditDetail, AuditEntry, AuditLog, Caller, Outcome, Phase};
use catalogue::{Catalogue, RevokedIdentity};
use deployment::{Home, HomeLock};
use types::ReceiveTime;

use crate::{config::Config, record::log::Log, store::StoreError};

/// A home folder opened for its identities alone, while no server runs on it: no model is needed.
#[derive(Debug)]
pub struct OfflineIdentities {
    catalogue: Catalogue,
    log: Arc<Log>,
    _lock: HomeLock,
}

impl OfflineIdentities {
    /// Opens the record of a deployment of which no server runs.
    ///
    /// # Errors
    /// [`StoreError`]: [`LockError`](deployment::LockError) where a server runs.
    pub async fn open(home: &Home, config: &Config) -> Result<Self, StoreError> {
        let lock = HomeLock::acquire(home.root())?;
        let catalogue = Catalogue::open(&config.catalogue(home.root())?).await?;
        let log = Arc::new(Log::open(home, &config.log, catalogue.clone()).await?);
        Ok(Self { catalogue, log, _lock: lock })
    }

    /// Certificates that were revoked, in the order of their revocation.
    ///
    /// # Errors
    /// [`StoreError`] where the catalogue can't be read.
    pub async fn revoked(&self) -> Result<Vec<RevokedIdentity>, StoreError> {
        Ok(self.catalogue.revoked_identities().await?)
    }

    /// On the record, as done by nobody who called.
    ///
    /// # Errors
    /// [`StoreError`] where the record or the catalogue does not take it. It is not revoked then.
    pub async fn revoke(&self, serial: &str, caller: &Caller) -> Result<(), StoreError> {
        let at = ReceiveTime::now();
        let entry = |phase| AuditEntry {
            at,
            caller: None,
            action: Action::RevokeIdentity,
            phase,
            case: None,
            detail: AuditDetail { serial: Some(serial.to_owned()), ..AuditDetail::default() },
            charge: None,
        };
        let begin = self.log.append(entry(Phase::Begin)).await?.seq;
        let revoked = RevokedIdentity { serial: serial.to_owned(), caller: caller.clone(), at, by: None };
        self.catalogue.revoke_identity(&revoked).await?;
        self.log.append(entry(Phase::Complete { begin, outcome: Outcome::Done })).await?;
        Ok(())
    }

    /// Brings the log up to the record, and closes the catalogue.
    ///
    /// # Errors
    /// [`StoreError`] where the log can't be written. The next start makes it good.
    pub async fn close(self) -> Result<(), StoreError> {
        self.log.publish().await?;
        self.catalogue.close().await;
        Ok(())
    }
}
