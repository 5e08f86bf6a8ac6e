use catalogue::CatalogueError;
use index::IndexError;

/// Why the index does not follow the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("embed stored crops")]
    Vision(#[from] vision::VisionError),
    #[error("the index's thread ended unexpectedly")]
    Thread,
    #[error("the server that feeds the index has not taken yet what was stored; see its log, then try again")]
    NotFed,
}

impl SyncError {
    /// Whether a server that holds the index has to be looked after.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Index(error) if error.is_away())
    }
}
