use std::{collections::BTreeMap, fs};

use catalogue::{CatalogueError, Change, compare_ids};
use types::Day;

use crate::{CROPS, support::*};

fn crop_file(f: &Fixture, n: u64) -> std::path::PathBuf {
    let day = record(n, 0, 0).sighting.day();
    crop_folder(f.dir.path()).join(format!("{day}/{}.jpg", id(n)))
}

#[tokio::test]
async fn lost_damaged_and_orphan_crops_are_found_and_repaired() {
    let f = fixture().await;
    put(&f.catalogue, &(0..10).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    fs::remove_file(crop_file(&f, 3)).unwrap();
    fs::write(crop_file(&f, 4), b"not a picture").unwrap();
    fs::write(crop_file(&f, 77), crop(1).encode()).unwrap();
    fs::write(crop_file(&f, 1).with_file_name("notes.txt"), b"").unwrap();
    let report = f.catalogue.check().await.unwrap();
    assert_eq!((report.sightings, report.crops, report.database.len()), (10, 10, 0));
    assert_eq!(report.without_crop, [id(3)]);
    assert_eq!(report.unreadable_crop, [id(4)]);
    assert_eq!(report.orphan_crops.len(), 2, "{report:?}");
    let repaired = f.catalogue.repair(&leave(&f.catalogue).await).await.unwrap();
    assert_eq!((repaired.sightings_removed, repaired.orphan_crops_removed), (2, 2));
    assert!(f.catalogue.check().await.unwrap().is_clean());
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), 8);
    let removed = all(&f.catalogue).changes_since(10, 10).await.unwrap();
    assert!(removed.iter().all(|c| matches!(c, Change::Removed { .. })) && removed.len() == 2, "{removed:?}");
}

#[tokio::test]
async fn a_crop_folder_that_is_not_mounted_is_not_repaired_by_deleting_everything() {
    let f = fixture().await;
    put(&f.catalogue, &(0..30).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    fs::remove_dir_all(crop_file(&f, 0).parent().unwrap()).unwrap();
    let error = f.catalogue.repair(&leave(&f.catalogue).await).await.unwrap_err();
    assert!(matches!(error, CatalogueError::RepairRefused { missing: 30, rows: 30, .. }), "{error:?}");
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), 30);
}

#[tokio::test]
async fn what_a_killed_process_was_writing_is_swept() {
    if CROPS == Store::Bucket {
        // An object is there whole or not at all.
        return;
    }
    let f = fixture().await;
    put(&f.catalogue, &[record(1, 1, 0)]).await.unwrap();
    let unfinished = crop_file(&f, 2).with_extension("jpg#1");
    fs::write(&unfinished, b"half").unwrap();
    fs::write(crop_file(&f, 5), crop(5).encode()).unwrap();
    assert_eq!(f.catalogue.sweep_orphans().await.unwrap(), 2);
    assert!(!unfinished.exists() && crop_file(&f, 1).exists());
    assert_eq!(f.catalogue.sweep_orphans().await.unwrap(), 0);
}

#[test]
fn a_comparison_names_what_an_index_lacks_and_what_it_has_too_much() {
    let days = |list: &[(i32, &[u64])]| -> BTreeMap<Day, Vec<_>> {
        list.iter().map(|(day, ids)| (Day(*day), ids.iter().map(|n| id(*n)).collect())).collect()
    };
    let catalogue = days(&[(1, &[1, 2]), (2, &[3])]);
    assert!(compare_ids(&catalogue, &days(&[(2, &[3]), (1, &[2, 1]), (7, &[])])).is_empty());
    // The right sighting on the wrong day is both.
    let difference = compare_ids(&catalogue, &days(&[(1, &[1, 3]), (2, &[3])]));
    assert_eq!(difference.missing, [(Day(1), id(2))]);
    assert_eq!(difference.surplus, [(Day(1), id(3))]);
}
