use std::time::Duration;

use access::AuditError;
use catalogue::CatalogueError;
use indexer::SyncError;

use crate::copies::upgrade::UpgradeError;

/// Why something whose time has come does not end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JanitorError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Feed(#[from] SyncError),
    /// The copy from before an upgrade, which holds it too.
    #[error(transparent)]
    OldCopy(#[from] UpgradeError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Clock(#[from] ClockLeapt),
}

/// By such a clock nothing ends.
#[derive(Debug, thiserror::Error)]
#[error(
    "this machine's clock is {days} days ahead of the latest time it showed before; nothing is deleted by it",
    days = ahead.as_secs() / 86_400
)]
pub(crate) struct ClockLeapt {
    pub(crate) ahead: Duration,
}
