//! Where cameras' streams are: what is kept of each, and how an address is kept that a camera's device names by itself.

use std::sync::Arc;

use access::{Action, AuditDetail, AuditEntry, AuditError, AuditLog, Outcome, Phase};
use catalogue::{Catalogue, CatalogueError, SourceUrl};
use pipeline::{CameraSecrets, KeepAddress, KeptAddress, SecretError};
use tokio::{runtime::Handle, sync::MutexGuard};
use types::{CameraId, Chain, ReceiveTime};

/// What entries of the record are dated by.
pub(crate) type Now = Box<dyn Fn() -> ReceiveTime + Send + Sync>;

/// The addresses of cameras, and the record of who changed them.
pub(crate) struct Addresses {
    catalogue: Catalogue,
    secrets: CameraSecrets,
    log: Arc<dyn AuditLog>,
    now: Now,
    /// Of a person and a device that give an address at once, one is after the other.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the record does not take it")]
    Record(#[from] AuditError),
}

impl Addresses {
    pub(crate) fn new(catalogue: Catalogue, secrets: CameraSecrets, log: Arc<dyn AuditLog>, now: Now) -> Self {
        Self { catalogue, secrets, log, now, changing: tokio::sync::Mutex::default() }
    }

    pub(super) fn secrets(&self) -> &CameraSecrets {
        &self.secrets
    }

    /// Whoever changes an address holds this meanwhile.
    pub(super) async fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// For the threads of cameras.
    pub(super) fn keeper(self: &Arc<Self>, runtime: Handle) -> Arc<KeepAddress> {
        let this = self.clone();
        Arc::new(move |camera: &CameraId, before: &KeptAddress, now: &KeptAddress| {
            runtime.block_on(this.keep(camera, before, now)).map_err(|error| Chain(&error).to_string())
        })
    }

    /// Keeps what a camera's device named, on the record, unless another address than `before` is kept by now.
    async fn keep(&self, camera: &CameraId, before: &KeptAddress, now: &KeptAddress) -> Result<bool, NotKept> {
        let _alone = self.change().await;
        if self.secrets.address(camera)?.as_ref() != Some(before) {
            return Ok(false);
        }
        let ((old, _), (new, _)) = (SourceUrl::parse(&before.url)?, SourceUrl::parse(&now.url)?);
        let entry = |phase| AuditEntry {
            at: (self.now)(),
            caller: None,
            action: Action::SetCameraSource,
            phase,
            case: None,
            detail: AuditDetail { cameras: [camera.clone()].into(), ..AuditDetail::default() },
            charge: None,
        };
        let begin = self.log.append(entry(Phase::Begin)).await?.seq;
        let done = self.write(camera, &old, now, &new).await;
        let outcome = if matches!(done, Ok(true)) { Outcome::Done } else { Outcome::Failed };
        self.log.append(entry(Phase::Complete { begin, outcome })).await?;
        done
    }

    async fn write(&self, camera: &CameraId, old: &SourceUrl, now: &KeptAddress, new: &SourceUrl) -> Result<bool, NotKept> {
        if !self.catalogue.move_camera_source(camera, old, new).await? {
            return Ok(false);
        }
        // Both are on one host: whichever of the two is read with the other's old value leads nowhere else.
        self.secrets.keep(camera, Some(now))?;
        Ok(true)
    }
}
