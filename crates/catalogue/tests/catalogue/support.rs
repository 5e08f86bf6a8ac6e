use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use catalogue::{
    Camera, Catalogue, CatalogueConfig, CatalogueError, Crops, Database, Discarded, FencingToken, Maintenance, PostgresUrl, Reason, S3Credentials, S3Place,
    SightingRecord,
};
use redact::{FaceFinder, FaceFinderError, FoundFace, RedactedCrop, Subject, redact};
use types::*;

use crate::{CROPS, ENGINE, bucket, cluster};

/// 2026-03-01T00:00:00Z.
pub(crate) const START: i64 = 1_772_323_200_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;

/// Which database a test binary is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "a binary names one of them")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Where the crops of a test binary lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "a binary names one of them")]
pub(crate) enum Store {
    Folder,
    Bucket,
}

pub(crate) const BUCKET: &str = "crops";
/// The part of the bucket that is the catalogue's.
const PREFIX: &str = "city/north";

pub(crate) struct Fixture {
    pub(crate) catalogue: Catalogue,
    pub(crate) dir: tempfile::TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if ENGINE == Engine::Postgres {
            cluster::drop_database(&url(self.dir.path()));
        }
    }
}

/// The URL of the database of a fixture in `dir`.
pub(crate) fn url(dir: &Path) -> String {
    match ENGINE {
        Engine::Sqlite => format!("sqlite://{}", database_file(dir).display()),
        Engine::Postgres => {
            let name: String = dir.file_name().unwrap().to_str().unwrap().bytes().map(|b| format!("{b:02x}")).collect();
            cluster::database_or_skip(&format!("t_{name}"))
        }
    }
}

pub(crate) fn database_file(dir: &Path) -> PathBuf {
    dir.join("data/catalogue.db")
}

pub(crate) fn crop_folder(dir: &Path) -> PathBuf {
    match CROPS {
        Store::Folder => dir.join("data/crops"),
        Store::Bucket => bucket_root(dir).join(BUCKET).join(PREFIX),
    }
}

pub(crate) fn bucket_root(dir: &Path) -> PathBuf {
    dir.join("data/s3")
}

fn crops(dir: &Path) -> Crops {
    match CROPS {
        Store::Folder => crop_folder(dir).into(),
        Store::Bucket => {
            fs::create_dir_all(crop_folder(dir)).unwrap();
            let endpoint = bucket::endpoint(&bucket_root(dir));
            let place = S3Place::parse(&format!("s3://{BUCKET}/{PREFIX}"), &endpoint, "us-east-1").unwrap();
            Crops::S3(place, S3Credentials::new(bucket::KEY, bucket::SECRET))
        }
    }
}

pub(crate) fn config(dir: &Path) -> CatalogueConfig {
    let database = match ENGINE {
        Engine::Sqlite => Database::File(database_file(dir)),
        Engine::Postgres => Database::Postgres(PostgresUrl::parse(&url(dir)).unwrap()),
    };
    CatalogueConfig { database, crops: crops(dir) }
}

pub(crate) async fn open(dir: &Path) -> Catalogue {
    Catalogue::open(&config(dir)).await.unwrap()
}

/// As another server has it, with connections of its own. An SQLite file is one server's.
pub(crate) async fn another(f: &Fixture) -> Catalogue {
    if ENGINE == Engine::Postgres { open(f.dir.path()).await } else { f.catalogue.clone() }
}

/// The database itself, as somebody with access to it has it.
pub(crate) async fn raw(dir: &Path) -> sqlx::AnyConnection {
    sqlx::any::install_default_drivers();
    <sqlx::AnyConnection as sqlx::Connection>::connect(&url(dir)).await.unwrap()
}

/// A catalogue with the agencies `north` and `south` and the cameras `gate` and `hall` of `north`, `dock` of `south`.
pub(crate) async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let catalogue = open(dir.path()).await;
    fill(&catalogue).await;
    Fixture { catalogue, dir }
}

pub(crate) async fn fill(catalogue: &Catalogue) {
    for agency in ["north", "south"] {
        catalogue.add_agency(&self::agency(agency), "An agency").await.unwrap();
    }
    for (camera, agency) in [("gate", "north"), ("hall", "north"), ("dock", "south")] {
        catalogue.add_camera(&Camera::new(self::camera(camera), self::agency(agency))).await.unwrap();
    }
}

/// Leave to write, for tests that are about something else.
pub(crate) async fn leave(catalogue: &Catalogue) -> FencingToken {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let name = format!("test {}", TURNS.fetch_add(1, Ordering::Relaxed));
    catalogue.force_acquire_lease(&name, "test", Duration::from_secs(600)).await.unwrap().unwrap().into()
}

pub(crate) async fn put(catalogue: &Catalogue, records: &[SightingRecord]) -> Result<u64, CatalogueError> {
    catalogue.put_sightings(records, &leave(catalogue).await).await
}

/// Reads for no case.
pub(crate) fn all(catalogue: &Catalogue) -> Maintenance<'_> {
    catalogue.maintenance(Reason::Check)
}

pub(crate) async fn discard(catalogue: &Catalogue, ids: &[SightingId]) -> Result<Discarded, CatalogueError> {
    catalogue.discard_sightings(ids, &leave(catalogue).await).await
}

pub(crate) async fn discard_footage(
    catalogue: &Catalogue,
    camera: &CameraId,
    footage: FootageDigest,
) -> Result<Discarded, CatalogueError> {
    catalogue.discard_footage(camera, footage, &leave(catalogue).await).await
}

pub(crate) fn agency(id: &str) -> AgencyId {
    AgencyId::new(id).unwrap()
}

pub(crate) fn camera(id: &str) -> CameraId {
    CameraId::new(id).unwrap()
}

pub(crate) fn footage(n: u8) -> FootageDigest {
    FootageDigest([n; 32])
}

pub(crate) fn id(n: u64) -> SightingId {
    SightingId::derive(&camera("gate"), b"test", n)
}

pub(crate) fn time(micros: i64) -> CaptureTime {
    CaptureTime::from_micros(micros).unwrap()
}

struct NoFaces;

impl FaceFinder for NoFaces {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

pub(crate) fn crop(shade: u8) -> RedactedCrop {
    let size = Size { width: 24, height: 48 };
    let raw = RawCrop::new(vec![shade; 24 * 48 * 3], size, (0, 0)).unwrap();
    let bbox = Rect::new(2.0, 2.0, 20.0, 44.0);
    redact(raw, &Subject { class: Class::Person, bbox, people: vec![bbox] }, &mut NoFaces).unwrap()
}

/// Sighting `n` of camera `gate` with content `seed`, `hours` after [`START`], from footage `n % 3`.
pub(crate) fn record(n: u64, seed: u64, hours: i64) -> SightingRecord {
    let stamp = |offset| TimeStamp {
        time: time(START + hours * HOUR + offset),
        uncertainty: ClockUncertainty(Duration::from_millis(seed % 9)),
        source: TimeSource::ALL[seed as usize % 3],
    };
    let sighting = Sighting {
        id: id(n),
        camera: camera("gate"),
        agency: agency("north"),
        class: Class::ALL[seed as usize % Class::ALL.len()],
        first: stamp(0),
        last: stamp(7_000_000),
        best: time(START + hours * HOUR + 3_000_000),
        bbox: Rect::new(1.5, 2.25, 30.0, 60.125),
        frame: Size { width: 1280, height: 720 },
        score: (seed % 100) as f32 / 100.0,
        detections: seed as u32 % 1000,
        description: Description {
            upper: Some(Described::new(Colour::ALL[seed as usize % 11], 0.1 + (seed % 7) as f32 / 10.0)),
            carrying: vec![Described::new(Carried::Backpack, 0.3)],
            ..Description::default()
        },
        origin: match n % 3 {
            0 => SightingOrigin::Live,
            n => SightingOrigin::Footage(footage(n as u8)),
        },
    };
    let values = vec![(seed as f32).sin(), (seed as f32).cos()];
    SightingRecord { sighting, crop: crop(seed as u8), embedding: Embedding::new(ModelDigest([3; 32]), values).unwrap() }
}

/// The beginning of a check on the audit record.
pub(crate) fn entry() -> access::AuditEntry {
    access::AuditEntry {
        at: types::ReceiveTime::now(),
        caller: None,
        action: access::Action::Check,
        phase: access::Phase::Begin,
        case: None,
        detail: access::AuditDetail::default(),
        charge: None,
    }
}
