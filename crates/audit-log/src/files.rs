//! Tiles, entry bundles and checkpoints as files: written whole, durable, and never half-way over what is there.

use std::{fs, io, path::PathBuf};

use access::log::{MAX_ENTRY, StoreError, TileStore};
use durable::read_all;

/// A full bundle of the longest entries there can be.
const MOST: u64 = 256 * (MAX_ENTRY as u64 + 2);

/// The folder of a log, laid out as C2SP `tlog-tiles`: `checkpoint`, `tile/0/000`, `tile/entries/000.p/5`.
#[derive(Debug, Clone)]
pub struct FileTiles(PathBuf);

impl FileTiles {
    /// Makes no promise that there is a log.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where the log's signed head lies.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl TileStore for FileTiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match read_all(&self.path(path), MOST) {
            Ok(bytes) => Ok(Some(bytes)),
            // A file where a folder should be is as good as nothing there.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(StoreError { path: path.to_owned(), source: Box::new(source) }),
        }
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| StoreError { path: path.to_owned(), source: Box::new(source) };
        let file = self.path(path);
        if fs::read(&file).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        durable::write(&file, bytes).map_err(failed)?;
        // Partial ones may go once the full one is there.
        let partial = self.path(&format!("{path}.p"));
        if !path.contains(".p/") && partial.is_dir() {
            fs::remove_dir_all(partial).map_err(failed)?;
        }
        Ok(())
    }
}
