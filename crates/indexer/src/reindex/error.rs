use catalogue::CatalogueError;
use types::Chain;
use vision::VisionError;

use crate::error::SyncError;

/// Why a model's vectors are not had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The index does not follow the catalogue.
    #[error(transparent)]
    Feed(#[from] SyncError),
    /// A model can't be used.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// Why another model does not take over.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// It is the model of before.
    #[error("that model makes the vectors already")]
    SameModel,
    /// What was named can't make vectors.
    #[error("{}", Chain(.0))]
    NoModel(VisionError),
    /// What was named is no learned step.
    #[error("{}", Chain(.0))]
    NotLearned(VisionError),
    /// Not as things are now.
    #[error("{message}")]
    State {
        /// What is in the way.
        message: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// Something failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl ReindexError {
    pub(crate) fn state(message: &'static str, hint: &'static str) -> Self {
        Self::State { message, hint }
    }

    /// What to do about it, where somebody asked for what is not done.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SameModel => Some("name another one"),
            Self::NoModel(_) => Some("name an embedder of `sightline models list`, with --appearance learned on it"),
            Self::NotLearned(_) => Some("give the file of `sightline appearance learn`, on the server's machine"),
            Self::State { hint, .. } => Some(hint),
            Self::Model(_) => None,
        }
    }
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
