use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::*;
use index::{IndexError, MIN_FREE_BYTES, VectorIndex};

/// A flushed index of two days, closed, and the file of the first day.
fn closed() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&(0..50).map(|n| entry(n, n, (n as i64 % 2) * 24 * HOUR)).collect::<Vec<_>>(), 5).unwrap();
    index.flush().unwrap();
    let day = files_of(dir.path()).into_iter().find(|f| f.to_string_lossy().contains(&entry(0, 0, 0).day.to_string())).unwrap();
    (dir, day)
}

/// The files of the days.
fn files_of(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join(MODEL.short())).unwrap().map(|f| f.unwrap().path());
    files.filter(|f| f.extension().is_some_and(|e| e == "bucket")).collect()
}

#[track_caller]
fn assert_rebuildable(dir: &Path) {
    let error = VectorIndex::open(dir, SPEC).unwrap_err();
    assert!(error.is_rebuildable(), "{error:?}");
    assert!(error.to_string().contains("sightline index rebuild"), "{error}");
    // Refusing must not change it: it is refused again.
    assert!(VectorIndex::open(dir, SPEC).unwrap_err().is_rebuildable());
    let index = VectorIndex::recreate(dir, SPEC).unwrap();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (0, 0));
    index.upsert(&[entry(0, 0, 0)], 1).unwrap();
    index.flush().unwrap();
    drop(index);
    assert_eq!(VectorIndex::open(dir, SPEC).unwrap().len().unwrap(), 1);
}

#[test]
fn a_missing_day_is_noticed() {
    let (dir, day) = closed();
    fs::remove_file(day).unwrap();
    assert_rebuildable(dir.path());
}

#[test]
fn days_that_were_exchanged_are_noticed() {
    let (dir, day) = closed();
    let other = files_of(dir.path()).into_iter().find(|f| *f != day).unwrap();
    fs::copy(other, day).unwrap();
    assert_rebuildable(dir.path());
}

/// What the index's folder said when Qdrant Edge was the engine.
const EDGE: &str = r#"{"format":1,"model":"0707070707070707070707070707070707070707070707070707070707070707","appearance_len":8,"synced":5,"days":["2026-03-01"]}"#;

#[test]
fn a_missing_or_unreadable_state_is_noticed() {
    for text in
        [None, Some("{"), Some("{\"format\":99,\"model\":\"\",\"appearance_len\":8,\"synced\":1,\"days\":[]}"), Some(EDGE)]
    {
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
fn a_folder_of_the_engine_before_is_made_anew_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(MODEL.short());
    fs::create_dir_all(folder.join("2026-03-01/segments/a")).unwrap();
    fs::write(folder.join("2026-03-01/segments/a/vectors.mmap"), vec![7; 100]).unwrap();
    fs::write(folder.join("state.json"), EDGE).unwrap();
    let error = VectorIndex::open(dir.path(), SPEC).unwrap_err();
    assert!(matches!(error, IndexError::Format { got: 1, .. }) && error.is_rebuildable(), "{error:?}");
    let index = VectorIndex::recreate(dir.path(), SPEC).unwrap();
    assert_eq!((index.len().unwrap(), index.durable_seq()), (0, 0));
    assert!(!folder.join("2026-03-01").exists());
}

#[test]
fn every_changed_byte_and_every_length_of_a_file_is_noticed() {
    let (dir, day) = closed();
    let whole = fs::read(&day).unwrap();
    let refused = |what: &str| {
        let error = VectorIndex::open(dir.path(), SPEC).expect_err(what);
        assert!(matches!(error, IndexError::Damaged { .. }), "{what}: {error:?}");
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&day, bytes).unwrap();
        refused(&format!("byte {at} of {} was changed", whole.len()));
    }
    for len in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        fs::write(&day, &whole[..len]).unwrap();
        refused(&format!("cut to {len} of {}", whole.len()));
    }
    // What lies behind the records that count was never synced: it is cut off, whatever it is.
    let longer = [&whole[..], &[0xff; 1_000]].concat();
    fs::write(&day, longer).unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    assert_eq!(index.len().unwrap(), 50);
    assert_eq!(fs::read(&day).unwrap(), whole);
}

#[test]
fn every_changed_byte_of_the_state_is_noticed_or_changes_nothing() {
    let (dir, day) = closed();
    let state = day.parent().unwrap().join("state.json");
    let whole = fs::read(&state).unwrap();
    for at in 0..whole.len() {
        for bit in [0, 2, 4] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&state, bytes).unwrap();
            match VectorIndex::open(dir.path(), SPEC) {
                Ok(index) => assert_eq!((index.len().unwrap(), index.durable_seq()), (50, 5), "byte {at}"),
                Err(error) => assert!(error.is_rebuildable(), "byte {at}: {error:?}"),
            }
        }
    }
}

#[test]
fn damage_under_a_running_index_is_found_by_a_check() {
    let (dir, day) = closed();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.verify().unwrap();
    let mut bytes = fs::read(&day).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    // In place: the index has the file open.
    std::os::unix::fs::FileExt::write_all_at(&fs::OpenOptions::new().write(true).open(&day).unwrap(), &bytes, 0).unwrap();
    let error = index.verify().unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }), "{error:?}");
}

#[test]
fn what_a_crash_left_half_made_is_swept() {
    let (dir, day) = closed();
    let folder = day.parent().unwrap();
    for name in ["2026-03-01.2.bucket", "2026-03-09.1.bucket"] {
        fs::write(folder.join(name), b"half a file").unwrap();
    }
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    assert_eq!(index.len().unwrap(), 50);
    assert_eq!(files_of(dir.path()).len(), 2);
}

#[test]
fn a_day_that_is_mostly_dead_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    let entries: Vec<_> = (0..2_000).map(|n| entry(n, n, 0)).collect();
    let size = || files_of(dir.path()).iter().map(|f| fs::metadata(f).unwrap().len()).sum::<u64>();
    index.upsert(&entries, 1).unwrap();
    index.flush().unwrap();
    let once = size();
    for round in 2..14 {
        index.upsert(&entries, round).unwrap();
        index.flush().unwrap();
        assert_eq!(files_of(dir.path()).len(), 1);
    }
    assert!(size() < 5 * once, "{} bytes, {once} for one copy", size());
    drop(index);
    // And it goes on after a restart.
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
    fs::write(dir.path().join("filler"), vec![1; 17 << 20]).unwrap();
    let error = index.upsert(&[entry(2, 2, 0)], 2).unwrap_err();
    assert!(matches!(error, IndexError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    let q = query(index::QueryVector::Appearance(appearance(1, LEN)));
    assert_eq!(index.search(&q).unwrap().len(), 1);
    assert_eq!(index.durable_seq(), 1);
    fs::remove_file(dir.path().join("filler")).unwrap();
    index.upsert(&[entry(2, 2, 0)], 2).unwrap();
    index.flush().unwrap();
    assert_eq!(index.durable_seq(), 2);
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
fn a_dropped_day_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let index = VectorIndex::open(dir.path(), SPEC).unwrap();
    index.upsert(&[entry(1, 1, 0), entry(2, 2, 25 * HOUR)], 2).unwrap();
    let day = entry(1, 1, 0).day;
    assert_eq!(files_of(dir.path()).len(), 2);
    index.drop_day(day).unwrap();
    assert!(files_of(dir.path()).iter().all(|f| !f.to_string_lossy().contains(&day.to_string())));
}
