//! Files that are written by hand: whoever reads one finds it whole or as it was before, whatever ended the process or the machine.
//!
//! A file is written aside, under its name with `.new` behind it, synced, and renamed into its place; then its folder is synced, so
//! that its name is on the disk too. Nothing else in the workspace writes files by hand, but for what `scripts/check-architecture`
//! lists with the reason. [`room()`] says how much more there is room for.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod bounded;
mod room;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

pub use self::{
    bounded::{open_file, read_all, read_at_most},
    room::{Room, room},
};

/// What the umask leaves of it.
const OPEN: u32 = 0o666;
/// Everybody may read it.
const PUBLIC: u32 = 0o644;
/// Its owner's alone.
const PRIVATE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// Replaces a file as a whole; its bytes and its name are on the disk when this returns. Folders that are missing are made.
///
/// # Errors
/// What the system says. The name then still holds what it held before.
pub fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    make_folder(folder_of(file))?;
    let aside = write_aside(file, bytes, OPEN, true)?;
    rename(&aside, file)
}

/// As [`write()`]; nobody but its owner can read it, not even for a moment. A folder that is missing is its owner's alone too.
///
/// # Errors
/// What the system says. The name then still holds what it held before.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder_of(file))?;
    let aside = write_aside(file, bytes, PRIVATE, true)?;
    rename(&aside, file)
}

/// Replaces a file whose last state may be lost with the machine: whole or as before for whoever reads it, and nobody waits for the
/// disk.
///
/// # Errors
/// What the system says. The name then still holds what it held before.
pub fn write_lazily(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = write_aside(file, bytes, OPEN, false)?;
    fs::rename(aside, file)
}

/// Makes a file that is not there yet, with these permissions; on the disk, name and all, when this returns.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where there is something under that name: it stays as it is.
pub fn create(file: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    fill(file, bytes, mode, true)?;
    sync_folder(folder_of(file))
}

/// As [`create`]: a file that everybody may read.
///
/// # Errors
/// As [`create`].
pub fn create_public(file: &Path, bytes: &[u8]) -> io::Result<()> {
    create(file, bytes, PUBLIC)
}

/// As [`create`]; nobody but its owner can read it, not even for a moment.
///
/// # Errors
/// As [`create`].
pub fn create_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    create(file, bytes, PRIVATE)
}

/// Moves a file or a folder to another name; on the disk when this returns.
///
/// # Errors
/// What the system says. It may be under either name then.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    if folder_of(from) != folder_of(to) {
        sync_folder(folder_of(from))?;
    }
    sync_folder(folder_of(to))
}

/// Gives what was made aside, a file or a folder with all that is in it, its name: it is there whole or not at all.
///
/// # Errors
/// What the system says. It may be under either name then, and is whole under both.
pub fn publish(made: &Path, name: &Path) -> io::Result<()> {
    sync_all(made)?;
    rename(made, name)
}

/// Takes a file away for good; one that is not there is no error.
///
/// # Errors
/// What the system says. The file may be gone then and come back after a power loss.
pub fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Ok(()) => sync_folder(folder_of(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What was made, renamed or removed in a folder is on the disk when this returns.
///
/// # Errors
/// What the system says; nothing is known of what is on the disk then.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn write_aside(file: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<PathBuf> {
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".new");
    let aside = folder_of(file).join(name);
    // Of a write that was cut off; it may have other permissions.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fill(&aside, bytes, mode, sync)?;
    Ok(aside)
}

/// Leaves nothing where it fails.
fn fill(file: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    let filled = new.write_all(bytes).and_then(|()| if sync { new.sync_all() } else { Ok(()) });
    if filled.is_err() {
        let _ = fs::remove_file(file);
    }
    filled
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(folder_of(folder))?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(folder_of(folder))
}

fn sync_all(made: &Path) -> io::Result<()> {
    if made.is_dir() {
        for entry in fs::read_dir(made)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(made)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/file");
        write(&file, b"first, and longer").unwrap();
        // A write that was cut off.
        fs::write(dir.path().join("a/b/file.new"), b"half").unwrap();
        write(&file, b"second").unwrap();
        write_lazily(&file, b"third").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"third");
        assert_eq!(names(&dir.path().join("a/b")), ["file"]);
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert_eq!(names(&dir.path().join("a/b")), [""; 0]);
    }

    #[test]
    fn what_can_not_be_written_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        write(&file, b"before").unwrap();
        // Nothing can be written aside.
        fs::create_dir(dir.path().join("file.new")).unwrap();
        for failed in [write(&file, b"after"), write_lazily(&file, b"after"), write_private(&file, b"after")] {
            failed.unwrap_err();
        }
        assert_eq!(fs::read(&file).unwrap(), b"before");
        assert_eq!(write(Path::new("/"), b"").unwrap_err().kind(), io::ErrorKind::InvalidFilename);
    }

    #[test]
    fn what_is_private_is_so_also_over_what_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys/file");
        write_private(&file, b"first").unwrap();
        assert_eq!((mode(&file), mode(&dir.path().join("keys"))), (0o600, 0o700));
        fs::write(dir.path().join("keys/file.new"), b"open to all").unwrap();
        fs::set_permissions(dir.path().join("keys/file.new"), fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, b"second").unwrap();
        assert_eq!((mode(&file), fs::read(&file).unwrap()), (0o600, b"second".to_vec()));
    }

    #[test]
    fn what_is_there_is_not_created_again_and_a_folder_gets_its_name_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        create(&file, b"first", 0o600).unwrap();
        assert_eq!(create(&file, b"second", 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&file).unwrap(), mode(&file)), (b"first".to_vec(), 0o600));
        let (private, public) = (dir.path().join("key"), dir.path().join("key.pub"));
        create_private(&private, b"first").unwrap();
        create_public(&public, b"first").unwrap();
        assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
        for again in [create_private(&private, b"second"), create_public(&public, b"second")] {
            assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        let made = dir.path().join("scratch/export");
        write(&made.join("in/it"), b"a file").unwrap();
        publish(&made, &dir.path().join("export")).unwrap();
        assert_eq!(fs::read(dir.path().join("export/in/it")).unwrap(), b"a file");
        assert_eq!(names(&dir.path().join("scratch")), [""; 0]);
    }
}
