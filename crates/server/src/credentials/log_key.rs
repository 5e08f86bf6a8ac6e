//! The log's own key is exchanged, while no server runs.

use std::sync::Arc;

use access::log::NoteKey;
use catalogue::Catalogue;
use deployment::{Home, HomeLock, LockError};
use types::ReceiveTime;

use crate::{config::Config, record::log::Log, store::StoreError};

/// Why the log's key is not exchanged. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateLogKeyError {
    /// The record can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stop the server first.
    #[error("the server runs, and signs with the key that is to be exchanged")]
    Running,
}

impl RotateLogKeyError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Store(error) => error.hint().into_owned(),
            Self::Running => "stop it, exchange the key, and start it again; every server of the deployment".to_owned(),
        }
    }
}

/// What the log signs with from now on.
#[derive(Debug)]
pub struct RotatedLogKey {
    /// The key until now.
    pub old: NoteKey,
    /// The key from now on.
    pub new: NoteKey,
    /// The old key signed heads of at most so many entries.
    pub entries: u64,
    /// The entry of the record that introduces the new key.
    pub entry: u64,
}

/// The log's key introduces another, which signs from then on. No server runs meanwhile.
///
/// # Errors
/// [`RotateLogKeyError`]: among others where a server runs.
pub async fn rotate_log_key(home: &Home, config: &Config) -> Result<RotatedLogKey, RotateLogKeyError> {
    let _lock = HomeLock::acquire(home.root()).map_err(|error| match error {
        LockError::InUse { .. } => RotateLogKeyError::Running,
        error => RotateLogKeyError::Store(error.into()),
    })?;
    Ok(change(home, config).await?)
}

async fn change(home: &Home, config: &Config) -> Result<RotatedLogKey, StoreError> {
    let catalogue = Catalogue::open(&config.catalogue(home.root())?).await?;
    let log = Arc::new(Log::open(home, &config.log, catalogue.clone()).await?);
    let changed = log.change_key(home, ReceiveTime::now()).await?;
    drop(log);
    // By the new key, and before the witnesses.
    let log = Arc::new(Log::open(home, &config.log, catalogue.clone()).await?);
    log.publish().await?;
    catalogue.close().await;
    Ok(RotatedLogKey { old: changed.old, new: changed.new, entries: changed.entries, entry: changed.seq })
}
