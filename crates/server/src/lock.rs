//! One process for one home folder.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// Why the home folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another sightline process{} uses {}", pid.map(|p| format!(" (pid {p})")).unwrap_or_default(), home.display())]
    InUse { home: PathBuf, pid: Option<u32> },
    #[error("lock {}", file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The home folder belongs to this process for as long as this lives, also through `kill -9`: the lock is the kernel's.
#[derive(Debug)]
pub struct HomeLock(#[expect(dead_code, reason = "held for its lock")] File);

impl HomeLock {
    pub fn acquire(home: &Path) -> Result<Self, LockError> {
        let path = home.join("lock");
        let io = |source| LockError::Io { file: path.clone(), source };
        let mut file = fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_in_use_is_refused_with_the_process_that_uses_it_until_it_ends() {
        let home = tempfile::tempdir().unwrap();
        let held = HomeLock::acquire(home.path()).unwrap();
        let error = HomeLock::acquire(home.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(held);
        HomeLock::acquire(home.path()).unwrap();
    }
}
