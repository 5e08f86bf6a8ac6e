//! Tiles, entry bundles and checkpoints as files: written whole, durable, and never half-way over what is there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use access::log::{MAX_ENTRY, StoreError, TileStore};

use crate::bounded::read_all;

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
        write_durably(&file, bytes).map_err(failed)?;
        // Partial ones may go once the full one is there.
        let partial = self.path(&format!("{path}.p"));
        if !path.contains(".p/") && partial.is_dir() {
            fs::remove_dir_all(partial).map_err(failed)?;
        }
        Ok(())
    }
}

/// Replaces a file as a whole; on disk, name and all, when it returns.
pub(crate) fn write_durably(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let scratch = folder.join(name);
    let mut new = File::create(&scratch)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&scratch, file)?;
    sync_folder(folder)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("."));
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    sync_folder(above)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}
