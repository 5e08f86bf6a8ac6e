use catalogue::CatalogueError;
use vision::VisionError;

use crate::{base::problem::Problem, indexer::error::SyncError};

/// Why a model's vectors are not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Feed(#[from] SyncError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// Why another model does not take over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReindexError {
    #[error(transparent)]
    Problem(#[from] Problem),
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl From<CatalogueError> for ReindexError {
    fn from(error: CatalogueError) -> Self {
        Self::Model(error.into())
    }
}

impl From<SyncError> for ReindexError {
    fn from(error: SyncError) -> Self {
        Self::Model(error.into())
    }
}
