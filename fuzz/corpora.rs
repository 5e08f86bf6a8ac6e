//! Runs a crate's targets over their committed corpora, as an ordinary test. Included by the tests of each crate that has targets.
//!
//! `SIGHTLINE_WRITE_CORPORA=1` writes the seeds anew: what the project's own writers make, and what once was a fault.
#![allow(clippy::unwrap_used, clippy::print_stderr, dead_code, reason = "part of tests, not all of which want all of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A parser, and all that must hold of whatever it is given.
type Target = (&'static str, fn(&[u8]));
/// A target's name, what the seed shows, and its bytes.
type Seed = (&'static str, &'static str, Vec<u8>);

/// Each file as it is, and changed in so many ways, the same each time; `SIGHTLINE_CHANGES` says another number.
const CHANGES: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// What is committed for a target: names, in their order, and bytes.
pub(crate) fn committed(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{target} has no corpus: {e}"));
    let mut found: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty(), "{target} has an empty corpus");
    found.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

/// The same bytes changed in so many ways, the same each time.
pub(crate) fn changed(bytes: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let (bytes, mut numbers) = (bytes.to_vec(), Numbers(0x5167_6874_6C69_6E65 ^ bytes.len() as u64));
    (0..count).map(move |_| {
        let mut changed = bytes.clone();
        numbers.change(&mut changed);
        changed
    })
}

/// Each target over its corpus and changes of it. A target without one, or one that lacks a seed, is an error.
pub(crate) fn hold(targets: &[Target], seeds: &[Seed]) {
    if std::env::var_os("SIGHTLINE_WRITE_CORPORA").is_some() {
        for (target, name, bytes) in seeds {
            fs::create_dir_all(root().join(target)).unwrap();
            fs::write(root().join(target).join(name), bytes).unwrap();
        }
    }
    for (target, name, _) in seeds {
        assert!(root().join(target).join(name).exists(), "{target}/{name} is not committed: see fuzz/corpora.rs");
    }
    let changes = std::env::var("SIGHTLINE_CHANGES").ok().and_then(|n| n.parse().ok()).unwrap_or(CHANGES);
    for (target, run) in targets {
        for (name, bytes) in committed(target) {
            let mut at = Place { target, name: &name, change: 0 };
            run(&bytes);
            for changed in changed(&bytes, changes) {
                at.change += 1;
                run(&changed);
            }
        }
    }
}

/// Which file, and which change of it; shown if it fails.
struct Place<'a> {
    target: &'a str,
    name: &'a str,
    change: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}/{}, change {}", self.target, self.name, self.change);
        }
    }
}

/// The same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64*.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most.max(1)
    }

    /// Bytes that are others, gone or there twice.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let (at, length) = (self.below(bytes.len()), 1 + self.below(16));
            let end = (at + length).min(bytes.len());
            match self.below(5) {
                _ if bytes.is_empty() => bytes.push(self.below(256) as u8),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at..end].fill([0, 0xFF, 0x7F, 0x80][self.below(4)]),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => bytes.truncate(bytes.len() - self.below(bytes.len() / 4)),
            }
        }
    }
}
