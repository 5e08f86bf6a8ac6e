//! A file by its handle: opened once, whatever its name comes to mean afterwards.

use std::{
    fmt,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::MediaError;

/// A regular file that was opened. What is looked at, hashed and decoded through it is the same file, even when another
/// takes its name.
#[derive(Clone)]
pub struct Footage {
    file: Arc<File>,
    path: PathBuf,
    stamp: FileStamp,
}

/// What a write to a file changes; nobody can set the time of its last change back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    inode: u64,
    bytes: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl fmt::Display for FileStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inode, bytes, modified, changed } = self;
        write!(f, "{inode}:{bytes}:{}.{}:{}.{}", modified.0, modified.1, changed.0, changed.1)
    }
}

impl fmt::Debug for Footage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Footage({})", self.path.display())
    }
}

impl Footage {
    /// Opens a file. Never waits for a writer as a FIFO would have it, and opens no device.
    ///
    /// # Errors
    /// [`MediaError::Missing`] and [`MediaError::Unreadable`].
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let handle = rustix::fs::open(path, LOOK, Mode::empty());
        Self::of(handle.map_err(|e| refused(path, e.into()))?, path)
    }

    /// As [`Self::open`], of a file beneath a folder: `..` and symbolic links lead nowhere outside it. `path` is the whole path.
    ///
    /// # Errors
    /// [`MediaError::Missing`], also where the path leads outside; [`MediaError::Unreadable`].
    pub fn open_beneath(root: &Path, path: &Path) -> Result<Self, MediaError> {
        let outside = || refused(path, io::ErrorKind::NotFound.into());
        let folder = rustix::fs::open(root, LOOK | OFlags::DIRECTORY, Mode::empty()).map_err(|e| refused(path, e.into()))?;
        let canonical = root.canonicalize().ok();
        let inside = path.strip_prefix(root).ok().or_else(|| path.strip_prefix(canonical.as_deref()?).ok());
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let handle = rustix::fs::openat2(&folder, inside.ok_or_else(outside)?, LOOK, Mode::empty(), resolve);
        Self::of(handle.map_err(|e| refused(path, e.into()))?, path)
    }

    fn of(handle: OwnedFd, path: &Path) -> Result<Self, MediaError> {
        let file = File::from(handle);
        let metadata = file.metadata().map_err(|e| refused(path, e))?;
        if !metadata.is_file() {
            return Err(MediaError::Unreadable { input: path.display().to_string(), what: "not a file".into() });
        }
        // What is a regular file by now stays one: a handle does not follow a name.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(by_number(&file), flags, Mode::empty()).map_err(|e| refused(path, e.into()))?;
        let file = File::from(file);
        let stamp = stamp(&file).map_err(|e| refused(path, e))?;
        Ok(Self { file: Arc::new(file), path: path.to_owned(), stamp })
    }

    /// In a decoder: what its parent opened.
    pub(crate) fn inherited(handle: OwnedFd) -> io::Result<Self> {
        let file = File::from(handle);
        let stamp = stamp(&file)?;
        Ok(Self { file: Arc::new(file), path: PathBuf::from("footage"), stamp })
    }

    /// What it was called when it was opened: for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// To read it with positions; its own position belongs to nobody.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// When it was opened.
    pub fn stamp(&self) -> FileStamp {
        self.stamp
    }

    /// # Errors
    /// Somebody wrote to it, or renamed it, since it was opened.
    pub fn unchanged(&self) -> Result<(), MediaError> {
        match stamp(&self.file) {
            Ok(now) if now == self.stamp => Ok(()),
            Ok(_) => Err(MediaError::Changed { input: self.input() }),
            Err(error) => Err(refused(&self.path, error)),
        }
    }

    pub(crate) fn input(&self) -> String {
        self.path.display().to_string()
    }

    /// A name of the handle, for what opens by name; good while this lives. Each opening has a position of its own.
    pub(crate) fn name(&self) -> PathBuf {
        by_number(&self.file)
    }
}

/// Enough to look at what it is, which opens nothing.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

fn by_number(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn stamp(file: &File) -> io::Result<FileStamp> {
    use std::os::unix::fs::MetadataExt;
    let m = file.metadata()?;
    Ok(FileStamp {
        inode: m.ino(),
        bytes: i64::try_from(m.len()).unwrap_or(i64::MAX),
        modified: (m.mtime(), m.mtime_nsec()),
        changed: (m.ctime(), m.ctime_nsec()),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "an error, as map_err gives it")]
fn refused(path: &Path, error: io::Error) -> MediaError {
    let input = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound => MediaError::Missing { input },
        kind => MediaError::Unreadable { input, what: kind.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read, os::unix::fs::symlink};

    use super::*;

    fn content(footage: &Footage) -> String {
        let mut text = String::new();
        File::open(footage.name()).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn nothing_outside_the_root_opens_by_any_way() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("theirs"), "theirs").unwrap();
        fs::write(root.join("sub/mine"), "mine").unwrap();
        symlink("sub/mine", root.join("near")).unwrap();
        symlink(other.join("theirs"), root.join("whole")).unwrap();
        symlink("../b", root.join("folder")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        for inside in ["sub/mine", "near", "sub/../sub/mine"] {
            assert_eq!(content(&Footage::open_beneath(&root, &root.join(inside)).unwrap()), "mine", "{inside}");
        }
        let theirs = other.join("theirs");
        let magic = format!("magic{}", theirs.display());
        for outside in
            ["whole", "folder/theirs", "../b/theirs", "sub/../../b/theirs", &magic, theirs.to_str().unwrap(), "no", "sub"]
        {
            assert!(Footage::open_beneath(&root, &root.join(outside)).is_err(), "{outside}");
        }
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for opened in [Footage::open(&fifo), Footage::open_beneath(dir.path(), &fifo), Footage::open(Path::new("/dev/null"))] {
            assert!(matches!(opened, Err(MediaError::Unreadable { .. })), "{opened:?}");
        }
    }

    #[test]
    fn a_file_that_takes_the_name_is_not_read_and_one_that_is_written_to_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "first").unwrap();
        let footage = Footage::open(&path).unwrap();
        footage.unchanged().unwrap();
        fs::write(dir.path().join("b"), "second").unwrap();
        fs::rename(dir.path().join("b"), &path).unwrap();
        assert_eq!(content(&footage), "first");

        let written = Footage::open(&path).unwrap();
        fs::write(&path, "third").unwrap();
        assert_eq!(written.unchanged(), Err(MediaError::Changed { input: path.display().to_string() }));
    }
}
