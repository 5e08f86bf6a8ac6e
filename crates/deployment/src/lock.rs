//! One process for one home folder.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::modes::is_open;

/// Why the home folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works in it.
    #[error("another sightline process{} uses {}", pid.map(|p| format!(" (pid {p})")).unwrap_or_default(), home.display())]
    InUse {
        /// The home folder.
        home: PathBuf,
        /// The process, where it could be read.
        pid: Option<u32>,
    },
    /// Whoever has an account on the machine could read what lies in it.
    #[error("the home folder {} is open to others than its owner (mode {mode:o})", home.display())]
    Open {
        /// The home folder.
        home: PathBuf,
        /// Its mode, as `chmod` takes it.
        mode: u32,
    },
    /// The lock's file can't be used.
    #[error("lock {}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
}

/// The home folder belongs to this process for as long as this lives, also through `kill -9`: the lock is the kernel's.
#[derive(Debug)]
pub struct HomeLock(#[expect(dead_code, reason = "held for its lock")] File);

impl HomeLock {
    /// Takes the home folder for this process.
    ///
    /// # Errors
    /// [`LockError::InUse`], [`LockError::Open`], [`LockError::Io`].
    pub fn acquire(home: &Path) -> Result<Self, LockError> {
        check_mode(home)?;
        let path = home.join("lock");
        let io = |source| LockError::Io { file: path.clone(), source };
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).truncate(false).read(true).write(true).mode(0o600).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(io(source)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(LockError::InUse { home: home.to_owned(), pid: text.trim().parse().ok() });
            }
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self(file))
    }
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::InUse { .. } => "stop it first; `check` and `index rebuild` ask a running server by themselves".to_owned(),
            // Quoted, so that it can be pasted whatever the name is.
            Self::Open { home, .. } => {
                format!("keep it to its owner: chmod 700 '{}'", home.display().to_string().replace('\'', "'\\''"))
            }
            Self::Io { .. } => "check that the home folder exists and that you may write there".to_owned(),
        }
    }
}

/// # Errors
/// [`LockError::Open`] where anybody but its owner may do anything with a folder. One that is not there is no error.
pub fn check_mode(folder: &Path) -> Result<(), LockError> {
    match fs::metadata(folder) {
        Ok(meta) if is_open(&meta) => Err(LockError::Open { home: folder.to_owned(), mode: meta.permissions().mode() & 0o777 }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_others_may_enter_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("it's");
        for (mode, refused) in [(0o700, false), (0o750, true), (0o701, true), (0o755, true), (0o500, false)] {
            fs::DirBuilder::new().recursive(true).create(&home).unwrap();
            fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
            let error = check_mode(&home).err();
            assert_eq!(error.is_some(), refused, "{mode:o}");
            let Some(error) = error else { continue };
            let command = error.hint().split_once(": ").unwrap().1.to_owned();
            assert!(command.starts_with("chmod 700 "), "{command}");
            assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
            check_mode(&home).unwrap();
        }
    }

    #[test]
    fn a_home_in_use_is_refused_with_the_process_that_uses_it_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        crate::modes::private_folder(&home).unwrap();
        let held = HomeLock::acquire(&home).unwrap();
        let error = HomeLock::acquire(&home).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(held);
        HomeLock::acquire(&home).unwrap();
    }
}
