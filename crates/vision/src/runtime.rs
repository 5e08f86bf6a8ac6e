//! The ONNX Runtime library, loaded at run time and once a process.

mod error;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

pub use self::error::{QUIET, RuntimeError};
use crate::store::ModelStore;

/// A handle on the loaded library; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) environment: ort::environment::Environment,
    file: PathBuf,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime({})", self.file.display())
    }
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// The library of this process: what was loaded before, else the first of `ORT_DYLIB_PATH`, the folder of the
    /// executable, and the cache.
    ///
    /// # Errors
    /// [`RuntimeError`], which says what to do.
    pub fn load(store: &ModelStore) -> Result<Self, RuntimeError> {
        Self::load_from(&Self::candidates(store))
    }

    /// The library at `file`, unless one was loaded before: a process has only one.
    ///
    /// # Errors
    /// [`RuntimeError`], which says what to do.
    pub fn load_file(file: &Path) -> Result<Self, RuntimeError> {
        Self::load_from(&[file.to_owned()])
    }

    /// For benchmarks that measure a bare session beside ours: a process has only one environment.
    #[doc(hidden)]
    pub fn environment(&self) -> &ort::environment::Environment {
        &self.environment
    }

    /// Where the library was loaded from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn candidates(store: &ModelStore) -> Vec<PathBuf> {
        // An explicit wish is not second-guessed: if it names a missing file that is an error.
        if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()) {
            return vec![path.into()];
        }
        let name = store.library_name();
        let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&name)));
        beside.into_iter().chain([store.library_file()]).collect()
    }

    fn load_from(candidates: &[PathBuf]) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED.lock();
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        if std::env::var_os(QUIET.0).as_deref() != Some(std::ffi::OsStr::new(QUIET.1)) {
            return Err(RuntimeError::WouldTell);
        }
        let file =
            candidates.iter().find(|p| p.is_file()).ok_or_else(|| RuntimeError::NotFound { looked: candidates.to_vec() })?;
        // An absolute path: `ort` would look beside the executable for a relative one.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let builder = ort::init_from(&file).map_err(|source| RuntimeError::Load { file: file.clone(), source })?;
        let environment = builder
            .with_name("sightline")
            .with_telemetry(false)
            .build()
            .map_err(|source| RuntimeError::Start { file: file.clone(), source })?;
        let runtime = Self { environment, file };
        *loaded = Some(runtime.clone());
        tracing::info!(library = %runtime.file.display(), "ONNX Runtime loaded");
        Ok(runtime)
    }
}
