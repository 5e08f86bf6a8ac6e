use std::{fs, path::Path, process::Command};

use crate::support::*;
use index::{IndexError, MIN_FREE_BYTES, VectorIndex};

/// A flushed index of two days, closed, and the folder of the first day.
fn closed() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&(0..50).map(|n| entry(n, n, (n as i64 % 2) * 24 * HOUR)).collect::<Vec<_>>(), 5).unwrap();
    index.flush().unwrap();
    let day = dir.path().join(MODEL.short()).join(entry(0, 0, 0).day.to_string());
    (dir, day)
}

fn walk(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

#[track_caller]
fn assert_rebuildable(dir: &Path) {
    let error = VectorIndex::open(dir, SPEC).unwrap_err();
    assert!(error.is_rebuildable(), "{error:?}");
    assert!(error.to_string().contains("sightline index rebuild"), "{error}");
    // Refusing must not change it: it is refused again.
    assert!(VectorIndex::open(dir, SPEC).unwrap_err().is_rebuildable());
    let index = VectorIndex::recreate(dir, SPEC).unwrap();
    assert_eq!((index.len().unwrap(), index.synced()), (0, 0));
    index.upsert(&[entry(0, 0, 0)], 1).unwrap();
    index.flush().unwrap();
    drop(index);
    assert_eq!(VectorIndex::open(dir, SPEC).unwrap().len().unwrap(), 1);
}

#[test]
fn a_missing_day_is_noticed() {
    let (dir, day) = closed();
    fs::remove_dir_all(day).unwrap();
    assert_rebuildable(dir.path());
}

#[test]
fn missing_segments_are_noticed() {
    let (dir, day) = closed();
    fs::remove_dir_all(day.join("segments")).unwrap();
    assert_rebuildable(dir.path());
}

#[test]
fn a_missing_or_unreadable_state_is_noticed() {
    for text in [None, Some("{"), Some("{\"format\":99,\"model\":\"\",\"appearance_len\":8,\"synced\":1,\"days\":[]}")] {
        let (dir, day) = closed();
        let state = day.parent().unwrap().join("state.json");
        match text {
            Some(text) => fs::write(state, text).unwrap(),
            None => fs::remove_file(state).unwrap(),
        }
        assert_rebuildable(dir.path());
    }
}

#[test]
fn a_damaged_file_of_the_engine_is_an_error_or_harmless_but_never_a_panic() {
    let (dir, day) = closed();
    let (mut files, mut noticed) = (Vec::new(), Vec::new());
    walk(&day, &mut files);
    files.sort();
    files.retain(|f| fs::metadata(f).is_ok_and(|m| m.len() > 0));
    // The engine takes a backtrace with every error, which is slow in a debug binary of this size.
    for file in files.iter().step_by(files.len().div_ceil(12)) {
        let whole = fs::read(file).unwrap();
        fs::write(file, b"\xff{ garbage").unwrap();
        match VectorIndex::open(dir.path(), SPEC) {
            Ok(index) => drop(index),
            Err(error) => {
                assert!(error.is_rebuildable(), "{error:?}");
                noticed.push(file.file_name().unwrap().to_owned());
            }
        }
        fs::write(file, whole).unwrap();
    }
    assert!(noticed.len() >= 3, "only {noticed:?} of {} files", files.len());
}

#[test]
fn what_a_crash_left_half_made_is_swept() {
    let (dir, day) = closed();
    let folder = day.parent().unwrap();
    for name in [".new-2026-03-09", ".old-2026-03-08"] {
        fs::create_dir_all(folder.join(name).join("segments")).unwrap();
    }
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    assert_eq!(index.len().unwrap(), 50);
    assert!(!folder.join(".new-2026-03-09").exists() && !folder.join(".old-2026-03-08").exists());
}

#[test]
fn the_engines_log_does_not_grow_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    let entries: Vec<_> = (0..2_000).map(|n| entry(n, n, 0)).collect();
    for round in 0..12 {
        index.upsert(&entries, round).unwrap();
        index.flush().unwrap();
    }
    let wal = dir.path().join(MODEL.short()).join(entries[0].day.to_string()).join("wal");
    let closed = |wal: &Path| {
        fs::read_dir(wal).unwrap().flatten().filter(|f| f.file_name().to_string_lossy().starts_with("closed-")).count()
    };
    assert!(closed(&wal) == 1, "{} closed pieces", closed(&wal));
    drop(index);
    // Numbering goes on after a restart: changes are still taken.
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&[entry(3, 77, 0)], 99).unwrap();
    index.remove(&[(entries[4].day, id(4))], 100).unwrap();
    let q = query(index::QueryVector::Appearance(appearance(77, LEN)));
    let found = index.search(&q).unwrap();
    assert!(found.iter().any(|s| s.id == id(3) && (s.score - 1.0).abs() < 1e-5));
    assert_eq!(found.len(), 1_999);
}

#[test]
fn a_full_disk_refuses_changes_and_keeps_answering() {
    let dir = tempfile::tempdir().unwrap();
    let size = format!("size={}k", (MIN_FREE_BYTES >> 10) + 16 * 1024);
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).status();
    if !mounted.is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED: a_full_disk_refuses_changes_and_keeps_answering: can't mount a tmpfs (needs root)");
        return;
    }
    let unmount = scope(|| drop(Command::new("umount").args(["-l"]).arg(dir.path()).status()));
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&[entry(1, 1, 0)], 1).unwrap();
    index.flush().unwrap();
    fs::write(dir.path().join("filler"), vec![1; 32 << 20]).unwrap();
    let error = index.upsert(&[entry(2, 2, 0)], 2).unwrap_err();
    assert!(matches!(error, IndexError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    let q = query(index::QueryVector::Appearance(appearance(1, LEN)));
    assert_eq!(index.search(&q).unwrap().len(), 1);
    assert_eq!(index.synced(), 1);
    fs::remove_file(dir.path().join("filler")).unwrap();
    index.upsert(&[entry(2, 2, 0)], 2).unwrap();
    index.flush().unwrap();
    assert_eq!(index.synced(), 2);
    drop(index);
    drop(unmount);
}

fn scope<F: FnMut()>(end: F) -> impl Drop {
    struct End<F: FnMut()>(F);
    impl<F: FnMut()> Drop for End<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    End(end)
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    assert!(matches!(VectorIndex::open(dir.path(), SPEC), Err(IndexError::InUse { .. })));
    drop(index);
    VectorIndex::open(dir.path(), SPEC).unwrap();
}

#[test]
fn a_dropped_day_leaves_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 2).unwrap();
    let day = entry(1, 1, 0).day;
    let folder = dir.path().join(MODEL.short()).join(day.to_string());
    assert!(folder.exists());
    index.drop_day(day).unwrap();
    assert!(!folder.exists());
}
