//! A disk that is soon full: a file system in memory, which a test has in a mount namespace of its own.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

const VARIABLE: &str = "SIGHTLINE_TEST_SMALL_DISK";
/// What `sh` ends with where nothing may be mounted.
const REFUSED: i32 = 97;
const BLOCK: u64 = 4096;

pub(crate) struct SmallDisk {
    pub(crate) root: PathBuf,
}

impl SmallDisk {
    /// Runs the test of that name again on a disk of so many bytes, and says so by `None` once it has passed there. Within that
    /// run: the disk.
    pub(crate) fn or_again_on_one(test: &str, bytes: u64) -> Option<Self> {
        if let Some(root) = std::env::var_os(VARIABLE) {
            return Some(Self { root: root.into() });
        }
        let dir = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" || exit {REFUSED}; exec \"$@\"");
        let mut said = String::new();
        for namespace in ["-m", "-rm"] {
            let run = Command::new("unshare")
                .arg(namespace)
                .args(["sh", "-c", &mount])
                .arg(dir.path())
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(VARIABLE, dir.path())
                .output();
            let run = match run {
                Ok(run) => run,
                Err(error) => {
                    said = error.to_string();
                    continue;
                }
            };
            let told = String::from_utf8_lossy(&run.stderr).into_owned();
            // `unshare` itself ends with 1 and no test has run.
            let ran = String::from_utf8_lossy(&run.stdout).contains("running 1 test");
            if run.status.code() == Some(REFUSED) || !ran {
                said = told;
                continue;
            }
            assert!(run.status.success(), "{}{told}", String::from_utf8_lossy(&run.stdout));
            return None;
        }
        #[allow(clippy::print_stderr, reason = "says what is left out")]
        {
            eprintln!("SKIPPED: no small disk can be mounted here: {}", said.trim());
        }
        None
    }

    fn ballast(&self) -> PathBuf {
        self.root.join("ballast")
    }

    /// Leaves room for so many blocks.
    pub(crate) fn fill(&self, but: u64) {
        self.free();
        let mut file = OpenOptions::new().append(true).create(true).open(self.ballast()).unwrap();
        let block = vec![b'x'; usize::try_from(BLOCK).unwrap()];
        while file.write_all(&block).is_ok() {}
        let len = file.metadata().unwrap().len() / BLOCK * BLOCK;
        file.set_len(len.saturating_sub(but * BLOCK)).unwrap();
    }

    pub(crate) fn free(&self) {
        if self.ballast().exists() {
            File::create(self.ballast()).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }
}
