//! A copy of the database that is made while others write, and a record that goes on from a newer copy of it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use access::{Action, AuditLog, Budgets, Charge};
use catalogue::{Catalogue, CatalogueError};
use types::CaseId;

use crate::{cases::case, support::*};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_others_write_is_of_one_moment_and_lacks_nothing_of_it() {
    let f = fixture().await;
    let (stop, mut written) = (Arc::new(AtomicBool::new(false)), Vec::new());
    for writer in 0..2u64 {
        let (catalogue, stop) = (f.catalogue.clone(), stop.clone());
        written.push(tokio::spawn(async move {
            for n in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                // A sighting, then the entry that says so.
                put(&catalogue, &[record(writer * 10_000 + n, n, 0)]).await.unwrap();
                catalogue.append(entry()).await.unwrap();
            }
        }));
    }
    let (live, other) = (database_file(f.dir.path()), tempfile::tempdir().unwrap());
    let mut copies = Vec::new();
    for n in 0..4 {
        let folder = other.path().join(n.to_string());
        fs::create_dir_all(database_file(&folder).parent().unwrap()).unwrap();
        Catalogue::copy_database(&live, &database_file(&folder)).await.unwrap();
        copies.push(folder);
    }
    stop.store(true, Ordering::Relaxed);
    for writer in written {
        writer.await.unwrap();
    }
    let all = f.catalogue.audit_bytes_since(0, u32::MAX >> 1).await.unwrap();
    let mut before = 0;
    for folder in copies {
        let look = Catalogue::look_at(&database_file(&folder)).await.unwrap().unwrap();
        let copy = Catalogue::open_unchanged(&config(&folder)).await.unwrap();
        let entries = copy.audit_bytes_since(0, u32::MAX >> 1).await.unwrap();
        assert!(entries.len() >= before && all.starts_with(&entries));
        before = entries.len();
        let sightings: usize = copy.ids_by_day().await.unwrap().values().map(Vec::len).sum();
        assert_eq!((look.entries, look.sightings, look.schema), (entries.len() as u64, sightings as u64, look.newest));
        assert_eq!(copy.last_change().await.unwrap(), look.last_change);
        // Each sighting has an entry that commits to it, and each writer is at most one sighting ahead of its own entries.
        let told = entries.len() - sightings;
        assert!((told..=told + 2).contains(&sightings), "{told} entries, {sightings} sightings");
    }
}

#[tokio::test]
async fn a_record_goes_on_by_the_entries_of_a_newer_copy_and_what_they_took_of_budgets_is_taken() {
    let f = fixture().await;
    f.catalogue.add_case(&case("a")).await.unwrap();
    let search = |case: &str, charge| access::AuditEntry {
        action: Action::Search,
        case: Some(CaseId::new(case).unwrap()),
        charge: Some(charge),
        ..entry()
    };
    let take = Charge::Take { queries: 1, results: 5, within: Budgets { queries: 10, results: 100 } };
    f.catalogue.append(search("a", take)).await.unwrap();
    let old = tempfile::tempdir().unwrap();
    fs::create_dir_all(database_file(old.path()).parent().unwrap()).unwrap();
    Catalogue::copy_database(&database_file(f.dir.path()), &database_file(old.path())).await.unwrap();
    // A case that was opened after the copy is not in it.
    f.catalogue.add_case(&case("b")).await.unwrap();
    for (case, charge) in [("a", take), ("b", take), ("a", Charge::GiveBack { results: 3 })] {
        f.catalogue.append(search(case, charge)).await.unwrap();
    }
    let copy = open(old.path()).await;
    let newer = f.catalogue.audit_bytes_since(copy.audit_len().await.unwrap(), 100).await.unwrap();
    assert_eq!(copy.resume_record(&newer).await.unwrap(), 4);
    assert_eq!(copy.audit_bytes_since(0, 100).await.unwrap(), f.catalogue.audit_bytes_since(0, 100).await.unwrap());
    let id = CaseId::new("a").unwrap();
    let spent = |stored: Option<catalogue::StoredCase>| stored.unwrap().spent;
    let (here, there) = (spent(copy.case(&id).await.unwrap()), spent(f.catalogue.case(&id).await.unwrap()));
    assert_eq!((here.queries, here.results), (there.queries, there.results));
    assert!(copy.check_record().await.unwrap().is_empty());
    // What can't be read is not taken, nor anything after it.
    let broken = copy.resume_record(&[newer[0].clone(), b"{}".to_vec()]).await.unwrap_err();
    assert!(matches!(broken, CatalogueError::BrokenRecord { seq: 6, .. }), "{broken:?}");
    assert_eq!(copy.audit_len().await.unwrap(), 4);
}
