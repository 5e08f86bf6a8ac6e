//! What a process has open and how much memory it holds, for tests that leave nothing behind. The server's tests use it too.

use std::{process::Command, time::Duration};

const CHILD: &str = "SIGHTLINE_LEFT_BEHIND";

/// In a process of its own: other tests open files and threads meanwhile. False in the parent, once the child has passed.
pub(crate) fn alone(name: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        // As `sightline` starts itself: what other arenas keep is not what is left behind.
        .env("MALLOC_ARENA_MAX", "1")
        .status()
        .unwrap();
    assert!(status.success());
    false
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Left {
    pub(crate) threads: usize,
    pub(crate) files: usize,
}

impl Left {
    pub(crate) fn now() -> Self {
        let entries = |of| std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count();
        Self { threads: entries("task"), files: entries("fd") }
    }

    /// Once it is no more than before, or does not become so: threads and connections end a moment after they are let go, and
    /// those that GLib's pools keep for the next use after 15 seconds.
    pub(crate) fn settled(before: Option<Self>) -> Self {
        let tries = if before.is_some() { 800 } else { 200 };
        for _ in 0..tries {
            let now = Self::now();
            if before.is_some_and(|b| now.threads <= b.threads && now.files <= b.files) {
                return now;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self::now()
    }

    /// # Panics
    /// Where it is more than before; says which threads there are.
    pub(crate) fn assert_no_more_than(self, before: Self) {
        if self.threads > before.threads || self.files > before.files {
            let name = |e: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(e.unwrap().path().join("comm"));
            let names: Vec<_> = std::fs::read_dir("/proc/self/task").unwrap().flat_map(name).collect();
            panic!("{before:?} before, {self:?} after: {names:?}");
        }
    }
}

/// Memory that is the process's own: what it maps from files (programs, models, databases) is the system's to drop.
#[allow(dead_code, reason = "not for every crate that uses this file")]
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
