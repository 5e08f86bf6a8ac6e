//! Who may read what lies in a home folder: its owner alone.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::home::Home;

impl Home {
    /// Private keys in this folder that others than their owner can read, in order.
    pub fn open_keys(&self) -> Vec<PathBuf> {
        let mut open = keys_under(&self.pki());
        open.retain(|key| fs::metadata(key).is_ok_and(|meta| is_open(&meta)));
        open.sort();
        open
    }
}

/// Whether anybody but its owner may do anything with a file or folder.
pub(crate) fn is_open(meta: &fs::Metadata) -> bool {
    meta.permissions().mode() & 0o077 != 0
}

/// Makes a folder that only its owner can enter, and those above it that are missing.
///
/// # Errors
/// What the system says.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a file readable by its owner alone.
///
/// # Errors
/// What the system says: the file stays as open as it was.
pub fn make_private(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

/// Private keys, however deep.
fn keys_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut keys = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            keys.extend(keys_under(&path));
        } else if path.extension().is_some_and(|ending| ending == "key") {
            keys.push(path);
        }
    }
    keys
}
