//! Where the high-water mark lies: a copy of the newest checkpoint that a restored backup of the home folder does not restore.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::home::Home;

/// Its name in the home folder, where it was before there was a place beside it.
const INSIDE: &str = "log.high-water";

/// Where the mark is, or will be: at `named`, which is the configuration's and may be empty; else in a folder of its own
/// beside the home folder where there is one (a package makes it, since a service may write nowhere else); else beside the
/// home folder; else in it.
pub fn place(home: &Home, named: &Path) -> PathBuf {
    if !named.as_os_str().is_empty() {
        return home.root().join(named);
    }
    let inside = home.root().join(INSIDE);
    let Some(beside) = beside(home.root(), ".high-water") else { return inside };
    if let Some(folder) = own_folder(home) {
        return folder.join(INSIDE);
    }
    if beside.exists() || may_write(&beside) {
        return beside;
    }
    tracing::warn!(
        beside = %beside.display(),
        "the log's high-water mark lies in the home folder, as nothing may be written beside it: set log.high_water to a file outside the backups of the home folder"
    );
    inside
}

/// Where it was before, unless it still belongs there: in the home folder, and beside it before it had a folder of its own.
pub fn earlier(home: &Home, place: &Path) -> Vec<PathBuf> {
    let folder = own_folder(home).filter(|folder| place.starts_with(folder));
    let beside = folder.and_then(|_| beside(home.root(), ".high-water"));
    [Some(home.root().join(INSIDE)), beside].into_iter().flatten().filter(|path| path != place).collect()
}

/// Deletes a mark of before. One that may not be deleted tells the truth all the same: it is older than its successor.
///
/// # Errors
/// What the system says, but for that it may not be deleted.
pub fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound || may_not(&error) => Ok(()),
        done => done,
    }
}

fn own_folder(home: &Home) -> Option<PathBuf> {
    beside(home.root(), "-mark").filter(|folder| folder.is_dir())
}

fn beside(root: &Path, ending: &str) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let mut name = root.file_name()?.to_owned();
    name.push(ending);
    Some(root.parent()?.join(name))
}

fn may_not(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Tries it: permissions alone do not say.
fn may_write(path: &Path) -> bool {
    let mut trial = path.as_os_str().to_owned();
    trial.push(".try");
    let trial = PathBuf::from(trial);
    let made = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&trial);
    match made {
        Ok(_) => fs::remove_file(&trial).is_ok(),
        Err(error) => !may_not(&error),
    }
}
