//! Files that are not what they should be, and disks without room.

use std::{fs, process::Command};

use access::{AuditError, AuditLog};
use catalogue::{Catalogue, CatalogueError};
use sqlx::Connection;

use crate::support::*;

#[tokio::test]
async fn a_file_that_is_no_catalogue_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = database_file(dir.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let garbage = vec![b'x'; 8192];
    fs::write(&path, &garbage).unwrap();
    let error = Catalogue::open(&config(dir.path())).await.unwrap_err();
    assert!(matches!(error, CatalogueError::NotACatalogue { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn somebody_elses_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = database_file(dir.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
    sqlx::raw_sql("CREATE TABLE agency (colour TEXT)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let error = Catalogue::open(&config(dir.path())).await.unwrap_err();
    assert!(matches!(error, CatalogueError::NotACatalogue { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_catalogue_of_a_newer_version_is_not_touched() {
    let f = fixture().await;
    f.catalogue.close().await;
    let mut raw = sqlx::SqliteConnection::connect(&url(f.dir.path())).await.unwrap();
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)";
    sqlx::raw_sql(newer).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let error = Catalogue::open(&config(f.dir.path())).await.unwrap_err();
    assert!(matches!(error, CatalogueError::TooNew { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_database_says_so() {
    let f = fixture().await;
    put(&f.catalogue, &(0..200).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    f.catalogue.close().await;
    let path = database_file(f.dir.path());
    let mut bytes = fs::read(&path).unwrap();
    // Everything after the schema's pages.
    let from = bytes.len() / 4;
    bytes[from..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = match Catalogue::open(&config(f.dir.path())).await {
        Err(error) => error,
        Ok(catalogue) => match catalogue.ids_by_day().await {
            Err(error) => error,
            Ok(_) => panic!("read a damaged database as if it were whole"),
        },
    };
    assert!(matches!(error, CatalogueError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("restore it from a backup"), "{error}");
}

#[tokio::test]
async fn a_full_disk_stores_nothing_by_halves_and_permits_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path()).status();
    if !mounted.is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED: a_full_disk_stores_nothing_by_halves_and_permits_nothing: can't mount a tmpfs (needs root)");
        return;
    }
    struct Unmount<'a>(&'a std::path::Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            drop(Command::new("umount").arg("-l").arg(self.0).status());
        }
    }
    let _unmount = Unmount(dir.path());
    let catalogue = open(dir.path()).await;
    fill(&catalogue).await;
    let leave = leave(&catalogue).await;
    // Room to come back to.
    fs::write(dir.path().join("reserve"), vec![1; 512 << 10]).unwrap();
    let mut stored = Vec::new();
    let error = loop {
        let n = stored.len() as u64;
        let batch: Vec<_> = (n..n + 20).map(|n| record(n, n, 0)).collect();
        match catalogue.put_sightings(&batch, &leave).await {
            Ok(_) => stored.extend(batch.iter().map(|r| r.sighting.id)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CatalogueError::DiskFull(_)), "{error:?}");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(stored.len() > 20, "{} fitted", stored.len());
    // The rest of the disk too, so that not even one entry fits.
    let _ = fs::write(dir.path().join("filler"), vec![1; 4 << 20]);
    let entry = entry();
    let mut appended = 0;
    let refused = loop {
        match catalogue.append(entry.clone()).await {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
        assert!(appended < 10_000);
    };
    assert!(matches!(refused, AuditError::Unavailable(_)), "{refused:?}");
    // With room again, everything acknowledged is there, nothing else, and it goes on.
    fs::remove_file(dir.path().join("filler")).unwrap();
    fs::remove_file(dir.path().join("reserve")).unwrap();
    catalogue.close().await;
    let catalogue = open(dir.path()).await;
    catalogue.sweep_orphans().await.unwrap();
    let report = catalogue.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.sightings, stored.len() as u64);
    // Each batch of sightings is an entry too.
    assert_eq!(catalogue.audit_len().await.unwrap(), appended + stored.len() as u64 / 20);
}
