//! Buckets that can't be used, or can't be any more.

use std::{error::Error as _, fs};

use catalogue::{Catalogue, CatalogueConfig, CatalogueError, CropFault, Crops, S3Credentials, S3Place};

use crate::{bucket, support::*};

fn at(f: &Fixture, bucket: &str, endpoint: &str, credentials: S3Credentials) -> CatalogueConfig {
    let place = S3Place::parse(&format!("s3://{bucket}"), endpoint, "us-east-1").unwrap();
    CatalogueConfig { crops: Crops::S3(place, credentials), ..config(f.dir.path()) }
}

fn ours() -> S3Credentials {
    S3Credentials::new(bucket::KEY, bucket::SECRET)
}

async fn refused(config: &CatalogueConfig) -> CropFault {
    let error = Catalogue::open(config).await.unwrap_err();
    let said = format!("{error} {} {error:?}", error.source().unwrap());
    assert!(!said.contains("s3cret") && !said.contains(bucket::KEY) && !said.contains('<'), "{said}");
    assert!(error.hint().is_some_and(|h| !h.is_empty()));
    match error {
        CatalogueError::CropStore { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_that_can_not_be_used_is_refused_at_the_start_with_what_is_wrong() {
    let f = fixture().await;
    f.catalogue.close().await;
    let root = bucket_root(f.dir.path());
    let endpoint = bucket::endpoint(&root);
    for made in [bucket::VERSIONED, bucket::READ_ONLY] {
        fs::create_dir(root.join(made)).unwrap();
    }
    assert_eq!(refused(&at(&f, "elsewhere", &endpoint, ours())).await, CropFault::NoBucket);
    assert_eq!(refused(&at(&f, bucket::READ_ONLY, &endpoint, ours())).await, CropFault::Refused);
    assert_eq!(refused(&at(&f, bucket::VERSIONED, &endpoint, ours())).await, CropFault::KeepsVersions);
    let strangers = [S3Credentials::new(bucket::KEY, "another-s3cret"), S3Credentials::new("nobody", bucket::SECRET)];
    for stranger in strangers {
        assert_eq!(refused(&at(&f, BUCKET, &endpoint, stranger)).await, CropFault::Credentials);
    }
    assert_eq!(refused(&at(&f, BUCKET, "http://127.0.0.1:1", ours())).await, CropFault::Away);
    // And what it was opened with still works.
    Catalogue::open(&config(f.dir.path())).await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_not_taken_for_sightings_without_crops() {
    let f = fixture().await;
    put(&f.catalogue, &(0..5).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    fs::rename(crop_folder(f.dir.path()), bucket_root(f.dir.path()).join("away")).unwrap();
    fs::remove_dir_all(bucket_root(f.dir.path()).join(BUCKET)).unwrap();
    let gone = |error: &CatalogueError| matches!(error, CatalogueError::CropStore { fault: CropFault::NoBucket, .. });
    for error in [
        all(&f.catalogue).crop(id(1)).await.map(drop).unwrap_err(),
        f.catalogue.check().await.map(drop).unwrap_err(),
        f.catalogue.repair(&leave(&f.catalogue).await).await.map(drop).unwrap_err(),
        f.catalogue.sweep_orphans().await.map(drop).unwrap_err(),
        put(&f.catalogue, &[record(9, 9, 0)]).await.map(drop).unwrap_err(),
    ] {
        assert!(gone(&error), "{error:?}");
    }
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), 5);
    fs::create_dir_all(crop_folder(f.dir.path()).parent().unwrap()).unwrap();
    fs::rename(bucket_root(f.dir.path()).join("away"), crop_folder(f.dir.path())).unwrap();
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_day_of_many_crops_goes_by_its_prefix_and_no_other_part_of_the_bucket_does() {
    let f = fixture().await;
    // More than one request lists or deletes.
    let records: Vec<_> = (0..1_100).map(|n| record(n, n, if n < 1_050 { 0 } else { 24 })).collect();
    put(&f.catalogue, &records).await.unwrap();
    let beside = bucket_root(f.dir.path()).join(BUCKET).join("another/2026-03-01");
    fs::create_dir_all(&beside).unwrap();
    fs::write(beside.join("theirs.jpg"), b"theirs").unwrap();
    let day = records[0].sighting.day();
    let ids: Vec<_> = records.iter().map(|r| r.sighting.id).take(1_050).collect();
    assert_eq!(discard(&f.catalogue, &ids).await.unwrap().sightings, 1_050);
    assert_eq!(f.catalogue.stray_crops(day).await.unwrap(), 0);
    let report = f.catalogue.check().await.unwrap();
    assert!(report.is_clean() && report.crops == 50, "{report:?}");
    assert!(beside.join("theirs.jpg").exists());
}
