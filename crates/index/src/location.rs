use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use types::ModelDigest;

use crate::{
    IndexError, IndexSpec, ServerSettings, VectorIndex, WriteGuard,
    server::{self, Link},
};

/// Where a deployment's indexes are, one a model.
#[derive(Debug, Clone)]
pub struct IndexLocation(Where);

#[derive(Debug, Clone)]
enum Where {
    Folder(PathBuf),
    Server(Arc<Link>),
}

impl IndexLocation {
    /// A folder of this process alone; made when it is opened.
    pub fn folder(dir: &Path) -> Self {
        Self(Where::Folder(dir.to_owned()))
    }

    /// Asks nothing yet: a server that is away is no error before something is wanted of it.
    ///
    /// # Errors
    /// [`IndexError::Unsuitable`] where the address is none.
    pub fn server(settings: ServerSettings) -> Result<Self, IndexError> {
        Ok(Self(Where::Server(Arc::new(Link::new(settings)?))))
    }

    /// Opens or makes the index of `spec.model`. On a server what is wrong with it shows in [`VectorIndex::ready`].
    ///
    /// # Errors
    /// [`IndexError::is_rebuildable`] where it can't be trusted: see [`Self::recreate`].
    pub fn open(&self, spec: IndexSpec) -> Result<VectorIndex, IndexError> {
        self.open_guarded(WriteGuard::always(), spec)
    }

    /// As [`Self::open`]; one on a server is changed only while the guard says so. A folder is never shared.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_guarded(&self, guard: WriteGuard, spec: IndexSpec) -> Result<VectorIndex, IndexError> {
        match &self.0 {
            Where::Folder(dir) => VectorIndex::open(dir, spec),
            Where::Server(link) => Ok(VectorIndex::on(Arc::clone(link), guard, spec)),
        }
    }

    /// Throws away whatever is there and opens an empty index: the first step of a rebuild.
    ///
    /// # Errors
    /// [`IndexError::InUse`], [`IndexError::Io`], or what the server says.
    pub fn recreate(&self, spec: IndexSpec) -> Result<VectorIndex, IndexError> {
        match &self.0 {
            Where::Folder(dir) => VectorIndex::recreate(dir, spec),
            Where::Server(_) => {
                let index = self.open(spec)?;
                index.clear()?;
                Ok(index)
            }
        }
    }

    /// Deletes the indexes of all models but these.
    ///
    /// # Errors
    /// [`IndexError::Io`], or what the server says; some may be deleted by then.
    pub fn keep_only(&self, models: &[ModelDigest]) -> Result<(), IndexError> {
        match &self.0 {
            Where::Folder(dir) => flat_index::keep_only(dir, models),
            Where::Server(link) => server::keep_only(link, models),
        }
    }
}
