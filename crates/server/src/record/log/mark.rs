//! Where the high-water mark lies: a copy of the newest checkpoint that a restored backup of the home folder does not restore.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{config::LogConfig, deployment::Home};

/// Its name in the home folder, where it was before there was a place beside it.
const INSIDE: &str = "log.high-water";

/// Where the mark is, or will be: what the configuration names, else beside the home folder, else in it.
pub(crate) fn place(home: &Home, config: &LogConfig) -> PathBuf {
    if !config.high_water.as_os_str().is_empty() {
        return home.root().join(&config.high_water);
    }
    let inside = home.root().join(INSIDE);
    let Some(beside) = beside(home.root()) else { return inside };
    if beside.exists() || may_write(&beside) {
        return beside;
    }
    tracing::warn!(
        beside = %beside.display(),
        "the log's high-water mark lies in the home folder, as nothing may be written beside it: set log.high_water to a file outside the backups of the home folder"
    );
    inside
}

/// Where an earlier version kept it, unless it still belongs there.
pub(crate) fn earlier(home: &Home, place: &Path) -> Option<PathBuf> {
    let inside = home.root().join(INSIDE);
    (inside != place).then_some(inside)
}

fn beside(root: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let mut name = root.file_name()?.to_owned();
    name.push(".high-water");
    Some(root.parent()?.join(name))
}

/// Tries it: permissions alone do not say.
fn may_write(path: &Path) -> bool {
    let mut trial = path.as_os_str().to_owned();
    trial.push(".try");
    let trial = PathBuf::from(trial);
    let made = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&trial);
    match made {
        Ok(_) => fs::remove_file(&trial).is_ok(),
        Err(error) => !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem),
    }
}
