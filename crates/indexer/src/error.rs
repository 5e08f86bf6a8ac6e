use catalogue::CatalogueError;
use index::IndexError;

/// Why the index does not follow the catalogue.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The catalogue can't be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The index does not take it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A stored crop can't be embedded.
    #[error("embed stored crops")]
    Vision(#[from] vision::VisionError),
    /// The thread that writes the index is gone.
    #[error("the index's thread ended unexpectedly")]
    Thread,
    /// Another server writes the index and is behind.
    #[error("the server that feeds the index has not taken yet what was stored; see its log, then try again")]
    NotFed,
}

impl SyncError {
    /// Whether a server that holds the index has to be looked after.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Index(error) if error.is_away())
    }
}
