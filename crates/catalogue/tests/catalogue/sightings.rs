use access::{CameraPolicy, Purpose};
use catalogue::{Camera, CatalogueError, Change, Position, SourceUrl};
use redact::RedactedCrop;
use types::{ModelDigest, SightingId};

use crate::support::*;

#[tokio::test]
async fn a_sighting_comes_back_as_it_was_stored() {
    let f = fixture().await;
    let records: Vec<_> = (0..6).map(|n| record(n, n * 31, n as i64 * 9)).collect();
    assert_eq!(put(&f.catalogue, &records).await.unwrap(), 6);
    let catalogue = open_again(f.catalogue.clone(), f.dir.path()).await;
    let ids: Vec<SightingId> = records.iter().rev().map(|r| r.sighting.id).chain([id(99)]).collect();
    let wanted: Vec<_> = records.iter().rev().map(|r| r.sighting.clone()).collect();
    assert_eq!(all(&catalogue).sightings(&ids).await.unwrap(), wanted);
    for r in &records {
        let id = r.sighting.id;
        assert_eq!(all(&catalogue).embedding(id).await.unwrap().as_ref(), Some(&r.embedding));
        let jpeg = all(&catalogue).crop(id).await.unwrap().unwrap();
        assert_eq!(jpeg, r.crop.encode());
        assert_eq!(RedactedCrop::decode(&jpeg).unwrap().size(), r.crop.size());
    }
    assert_eq!(all(&catalogue).crop(id(99)).await.unwrap(), None);
    assert_eq!(all(&catalogue).embedding(id(99)).await.unwrap(), None);
    assert_eq!(catalogue.days().await.unwrap().len(), 2);
}

async fn open_again(catalogue: catalogue::Catalogue, dir: &std::path::Path) -> catalogue::Catalogue {
    catalogue.close().await;
    open(dir).await
}

#[tokio::test]
async fn storing_again_adds_nothing_and_replaces() {
    let f = fixture().await;
    put(&f.catalogue, &[record(1, 1, 0), record(2, 2, 0)]).await.unwrap();
    put(&f.catalogue, &[record(1, 50, 0), record(1, 60, 0)]).await.unwrap();
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), 2);
    assert_eq!(all(&f.catalogue).sighting(id(1)).await.unwrap().unwrap(), record(1, 60, 0).sighting);
    assert_eq!(all(&f.catalogue).crop(id(1)).await.unwrap().unwrap(), crop(60).encode());
    let changes = all(&f.catalogue).changes_since(0, 100).await.unwrap();
    // One number a change, and one change a sighting however often it changed.
    assert_eq!((changes.len(), changes[1].seq(), f.catalogue.last_change().await.unwrap()), (2, 3, 3));
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn what_can_not_be_indexed_or_does_not_belong_is_refused_whole() {
    let f = fixture().await;
    let with = |change: &dyn Fn(&mut catalogue::SightingRecord)| {
        let mut bad = record(2, 2, 0);
        change(&mut bad);
        let (catalogue, batch) = (f.catalogue.clone(), [record(1, 1, 0), bad]);
        async move { put(&catalogue, &batch).await.unwrap_err() }
    };
    let error = with(&|r| r.sighting.camera = camera("nowhere")).await;
    assert!(matches!(&error, CatalogueError::UnknownCamera(c) if c.as_str() == "nowhere"), "{error:?}");
    assert!(error.to_string().contains("sightline camera add nowhere"), "{error}");
    for error in [
        with(&|r| r.sighting.agency = agency("south")).await,
        with(&|r| r.sighting.last.time = r.sighting.first.time.plus_micros(-1)).await,
        with(&|r| r.sighting.last.time = r.sighting.first.time.plus_micros(2 * HOUR)).await,
        with(&|r| r.sighting.score = f32::NAN).await,
        with(&|r| r.sighting.description.upper.as_mut().unwrap().confidence = f32::NAN).await,
        with(&|r| seen(r, "0206-03-01T00:00:00Z")).await,
        with(&|r| seen(r, "1971-03-01T00:00:00Z")).await,
        with(&|r| seen(r, "2099-03-01T00:00:00Z")).await,
        with(&|r| r.sighting.bbox.x = f32::INFINITY).await,
    ] {
        assert!(matches!(error, CatalogueError::Sighting { .. }), "{error:?}");
    }
    assert_eq!(f.catalogue.sighting_count().await.unwrap(), 0);
    assert_eq!(f.catalogue.last_change().await.unwrap(), 0);
    assert!(f.catalogue.check().await.unwrap().is_clean());
}

fn seen(record: &mut catalogue::SightingRecord, at: &str) {
    let at = at.parse().unwrap();
    (record.sighting.first.time, record.sighting.last.time, record.sighting.best) = (at, at, at);
    // However uncertain it says it is.
    record.sighting.last.uncertainty = types::ClockUncertainty(std::time::Duration::from_secs(4_000_000_000));
}

#[tokio::test]
async fn discarded_footage_takes_its_sightings_and_crops_and_nothing_else() {
    let f = fixture().await;
    put(&f.catalogue, &(0..9).map(|n| record(n, n, 0)).collect::<Vec<_>>()).await.unwrap();
    let gone = discard_footage(&f.catalogue, &camera("gate"), footage(1)).await.unwrap();
    assert_eq!((gone.sightings, gone.seq), (3, 12));
    assert_eq!(discard_footage(&f.catalogue, &camera("hall"), footage(2)).await.unwrap().sightings, 0);
    assert_eq!(all(&f.catalogue).sighting(id(1)).await.unwrap(), None);
    assert_eq!(all(&f.catalogue).crop(id(1)).await.unwrap(), None);
    let report = f.catalogue.check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.sightings, report.crops), (6, 6));
    let removed = all(&f.catalogue).changes_since(9, 100).await.unwrap();
    assert_eq!(removed.len(), 3);
    assert!(removed.iter().all(|c| matches!(c, Change::Removed { .. })));
    assert_eq!(discard_footage(&f.catalogue, &camera("gate"), footage(1)).await.unwrap().sightings, 0);
}

#[tokio::test]
async fn cameras_keep_what_their_owners_said() {
    let f = fixture().await;
    let mut yard = Camera::new(camera("yard"), agency("south"));
    yard.place = Some(" Yard, west side ".to_owned());
    yard.position = Some(Position { latitude: 52.5, longitude: 13.4 });
    yard.source = Some(SourceUrl::parse("rtsp://u:s3cret@cam.example/1").unwrap().0);
    yard.policy = CameraPolicy { purposes: [Purpose::Disaster].into(), sensitive: true, ..CameraPolicy::default() };
    f.catalogue.add_camera(&yard).await.unwrap();
    yard.place = Some("Yard, west side".to_owned());
    assert_eq!(f.catalogue.camera(&yard.id).await.unwrap(), yard);
    assert!(matches!(f.catalogue.add_camera(&yard).await, Err(CatalogueError::Exists { kind: "camera", .. })));
    yard.policy.paused = true;
    f.catalogue.set_camera_policy(&yard.id, &yard.policy).await.unwrap();
    let pooled = f.catalogue.pooled_cameras().await.unwrap();
    assert_eq!(pooled.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["dock", "gate", "hall", "yard"]);
    assert_eq!(pooled[3].policy, yard.policy);
    let stranger = Camera::new(camera("x"), agency("nobody"));
    assert!(matches!(f.catalogue.add_camera(&stranger).await, Err(CatalogueError::UnknownAgency(_))));
    let lost =
        Camera { position: Some(Position { latitude: 91.0, longitude: 0.0 }), ..Camera::new(camera("x"), agency("north")) };
    assert!(matches!(f.catalogue.add_camera(&lost).await, Err(CatalogueError::Invalid { .. })));
    assert!(matches!(f.catalogue.add_agency(&agency("north"), "Again").await, Err(CatalogueError::Exists { .. })));
    assert!(matches!(f.catalogue.add_agency(&agency("new"), "two\nlines").await, Err(CatalogueError::Invalid { .. })));
    // Nothing secret reaches the file.
    f.catalogue.close().await;
    for file in std::fs::read_dir(f.dir.path().join("data")).unwrap().flatten().filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"s3cret"));
    }
}

#[tokio::test]
async fn models_do_not_mix_in_what_is_handed_out() {
    let f = fixture().await;
    let mut other = record(2, 2, 0);
    other.embedding = types::Embedding::new(ModelDigest([9; 32]), other.embedding.into_values()).unwrap();
    put(&f.catalogue, &[record(1, 1, 0), other]).await.unwrap();
    assert_eq!(all(&f.catalogue).embedding(id(1)).await.unwrap().unwrap().model(), ModelDigest([3; 32]));
    assert_eq!(all(&f.catalogue).embedding(id(2)).await.unwrap().unwrap().model(), ModelDigest([9; 32]));
}
