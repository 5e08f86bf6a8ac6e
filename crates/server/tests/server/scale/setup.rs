//! Real tracklets by the archive path, and a home folder filled with synthetic ones through the catalogue and the index.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use catalogue::{Camera, Catalogue, CatalogueConfig, Change, Reason};
use deployment::{Home, InitOptions};
use index::{IndexLocation, IndexSpec, ServerSettings, VectorIndex};
use proto::v1::{
    self, camera_service_client::CameraServiceClient, case_service_client::CaseServiceClient,
    footage_service_client::FootageServiceClient,
};
use redact::RedactedCrop;
use serde_json::{Value, json};
use types::*;

use super::{
    case_cameras,
    measure::round,
    synthetic::{AGENCIES, CAMERAS, Synthetic, agency_id, camera_id},
};
use crate::{
    harness::{Deployed, add_identity, time, window as message},
    seen,
};

/// Stored in one transaction.
const BATCH: u64 = 500;
/// Stored before the index is fed and what is done is noted.
const STEP: u64 = 50_000;
/// With more sightings than this their crops are the smallest there are: what real ones take is told beside it.
const REAL_CROPS: u64 = 200_000;
const CONFIG: &str = "[callers]\ncalls_per_second = 1000000.0\nburst = 1000000\nat_once = 1000000\n\
    [missing_person]\nqueries = 1000000\nresults = 1000000\n";
const VIDEO: [&str; 3] = ["mp4", "avi", "mpg"];

pub(super) struct Filled {
    pub(super) home: Home,
    pub(super) synthetic: Arc<Synthetic>,
    /// When the last of them was seen.
    pub(super) end: CaptureTime,
    pub(super) tracklets: Value,
    _folder: Option<tempfile::TempDir>,
}

impl Filled {
    /// Sightings in the catalogue and in the index; no server may be running.
    pub(super) async fn counts(&self) -> (u64, u64) {
        let data = self.home.root().join("data");
        let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&data)).await.unwrap();
        let rows = catalogue.sighting_count().await.unwrap();
        catalogue.close().await;
        (rows, self.index().len().unwrap() as u64)
    }

    /// The index alone; no server of ours may be running on it.
    pub(super) fn index(&self) -> VectorIndex {
        let (_, looks) = self.synthetic.sighting(0);
        let spec = IndexSpec { model: looks.model(), appearance_len: looks.values().len() };
        let place = match qdrant(self.synthetic.len()) {
            Some(settings) => IndexLocation::server(settings).unwrap(),
            None => IndexLocation::folder(&self.home.root().join("data/index")),
        };
        place.open(spec).unwrap()
    }

    /// Where a Qdrant server has the files of the index, one folder a collection; nothing where it is in the home folder.
    pub(super) fn collections(&self) -> Option<Vec<PathBuf>> {
        let name = format!("{}-", qdrant(self.synthetic.len())?.name);
        let storage = PathBuf::from(std::env::var_os("SIGHTLINE_TEST_QDRANT_STORAGE")?);
        let all = fs::read_dir(storage.join("collections")).unwrap().map(|e| e.unwrap());
        Some(all.filter(|e| e.file_name().to_string_lossy().starts_with(&name)).map(|e| e.path()).collect())
    }
}

/// The Qdrant server that holds the index, if one is to; `SIGHTLINE_SCALE_APPROXIMATE=1`: with its graph and int8 vectors.
fn qdrant(count: u64) -> Option<ServerSettings> {
    let url = std::env::var("SIGHTLINE_TEST_QDRANT").ok()?;
    let exact = std::env::var_os("SIGHTLINE_SCALE_APPROXIMATE").is_none();
    Some(ServerSettings {
        url,
        api_key: None,
        name: format!("scale{count}{}", if exact { "" } else { "approximate" }),
        replication: 1,
        write_consistency: 1,
        timeout: Duration::from_secs(60),
        exact,
        rest: ServerSettings::REST,
    })
}

fn configuration(count: u64) -> String {
    let index = qdrant(count).map(|s| {
        let ServerSettings { url, name, timeout, exact, .. } = s;
        format!("[index]\nurl = \"{url}\"\nname = \"{name}\"\ntimeout_ms = {}\nexact = {exact}\n", timeout.as_millis())
    });
    CONFIG.to_owned() + &index.unwrap_or_default()
}

/// `None` without footage, said loudly.
pub(super) async fn fill() -> Option<Filled> {
    let count = std::env::var("SIGHTLINE_SCALE").map_or(10_000, |n| n.parse().unwrap());
    let kept = std::env::var_os("SIGHTLINE_SCALE_HOME").map(PathBuf::from);
    let folder = kept.is_none().then(|| tempfile::tempdir().unwrap());
    let folder_path = kept.unwrap_or_else(|| folder.as_ref().unwrap().path().to_owned());
    let real = Home::new(folder_path.join("real"));
    if !real.root().join("done").exists() {
        look_at_footage(&real).await?;
    }
    let (changes, jpegs, tracklets) = tracklets(&real).await;

    let home = Home::new(folder_path.join(format!("scale-{count}")));
    let progress = home.root().join("progress.json");
    if !progress.exists() {
        let _ = fs::remove_dir_all(home.root());
        deployment::init(&home, server::TEMPLATE, &InitOptions::default()).unwrap();
        add_identity(&home, "worker", &format!("sightline://{}/ingest/worker", agency_id(0)));
        pool(&home).await;
        note(&progress, 0, CaptureTime::now());
    }
    fs::write(home.root().join("more.toml"), configuration(count)).unwrap();
    let noted: Value = serde_json::from_slice(&fs::read(&progress).unwrap()).unwrap();
    let end = CaptureTime::from_micros(noted["end_us"].as_i64().unwrap()).unwrap();
    let crops = if count > REAL_CROPS { vec![seen::crop_of(16)] } else { jpegs };
    let synthetic = Arc::new(Synthetic::new(changes, crops, count, end));
    let mut done = noted["done"].as_u64().unwrap();
    while done < count {
        let to = (done + STEP).min(count);
        let began = Instant::now();
        store(&home, &synthetic, done..to).await;
        let stored = began.elapsed();
        // Its start takes into the index what the catalogue has more.
        let began = Instant::now();
        Deployed::in_home(home.clone()).await.stop().await;
        let each = |t: Duration| round(t.as_secs_f64() * 1e3 / (to - done) as f64);
        eprintln!("{to} of {count}: {} ms a sighting into the catalogue, {} into the index", each(stored), each(began.elapsed()));
        note(&progress, to, end);
        done = to;
    }
    Some(Filled { home, synthetic, end, tracklets, _folder: folder })
}

fn note(progress: &Path, done: u64, end: CaptureTime) {
    fs::write(progress, json!({ "done": done, "end_us": end.as_micros() }).to_string()).unwrap();
}

async fn pool(home: &Home) {
    let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&home.root().join("data"))).await.unwrap();
    for n in 0..AGENCIES {
        catalogue.add_agency(&agency_id(n), agency_id(n).as_str()).await.unwrap();
    }
    for n in 0..CAMERAS {
        catalogue.add_camera(&Camera::new(camera_id(n), agency_id(n))).await.unwrap();
    }
    catalogue.close().await;
}

async fn store(home: &Home, synthetic: &Synthetic, range: std::ops::Range<u64>) {
    let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&home.root().join("data"))).await.unwrap();
    let leave = seen::leave(&catalogue).await;
    for from in range.clone().step_by(BATCH as usize) {
        let records: Vec<_> = (from..(from + BATCH).min(range.end)).map(|n| synthetic.record(n)).collect();
        catalogue.put_sightings(&records, &leave).await.unwrap();
    }
    catalogue.close().await;
}

/// Every clip there is, each as a camera of its own.
async fn look_at_footage(home: &Home) -> Option<()> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let cache = vision::ModelStore::default_cache().join("footage");
    let roots = std::env::var_os("SIGHTLINE_FOOTAGE").map(PathBuf::from).into_iter().chain([shared, cache]);
    let mut clips = Vec::new();
    for root in roots.filter_map(|r| r.canonicalize().ok()) {
        if clips.is_empty() {
            find(&root, &mut clips);
        }
    }
    if clips.is_empty() {
        eprintln!("SKIPPED: no footage; set SIGHTLINE_FOOTAGE or run ./scripts/test, which fetches it");
        return None;
    }
    let _ = fs::remove_dir_all(home.root());
    deployment::init(home, server::TEMPLATE, &InitOptions::default()).unwrap();
    let mut deployed = Deployed::in_home(home.clone()).await;
    let channel = deployed.channel("operator").await;
    let mut cameras = CameraServiceClient::new(channel.clone());
    cameras.add_agency(v1::AddAgencyRequest { id: "local".into(), title: "Local".into() }).await.unwrap();
    let mut jobs = Vec::new();
    for (n, clip) in clips.iter().enumerate() {
        let camera = format!("clip-{n}");
        let request = v1::AddCameraRequest { id: camera.clone(), agency_id: "local".into(), ..Default::default() };
        cameras.add_camera(request).await.unwrap();
        let request = v1::AddFootageRequest {
            path: clip.to_str().unwrap().to_owned(),
            camera_id: camera,
            start: Some(time("2026-03-01T08:00:00Z")),
            start_uncertainty: None,
            settings: Some(v1::FootageSettings { sample_fps: 5.0, keep_readable: true, ..Default::default() }),
        };
        let added = FootageServiceClient::new(channel.clone()).add_footage(request).await.unwrap().into_inner();
        jobs.push(added.job.unwrap().id);
    }
    for job in jobs {
        deployed.wait(&job).await;
    }
    deployed.stop().await;
    fs::write(home.root().join("done"), "").unwrap();
    Some(())
}

fn find(folder: &Path, clips: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, clips);
        } else if path.extension().is_some_and(|e| VIDEO.iter().any(|v| e == *v)) {
            clips.push(path);
        }
    }
}

/// What the archive path made of the clips, its crops, and what both come to.
async fn tracklets(home: &Home) -> (Vec<Change>, Vec<RedactedCrop>, Value) {
    let catalogue = Catalogue::open(&CatalogueConfig::in_folder(&home.root().join("data"))).await.unwrap();
    let changes = catalogue.maintenance(Reason::Check).changes_since(0, 100_000).await.unwrap();
    let (mut crops, mut bytes) = (Vec::new(), 0);
    for change in &changes {
        if let Change::Put { row, .. } = change {
            let jpeg = catalogue.maintenance(Reason::Check).crop(row.sighting.id).await.unwrap().unwrap();
            bytes += jpeg.len();
            crops.push(RedactedCrop::decode(&jpeg).unwrap());
        }
    }
    let footage_us: i64 =
        catalogue.jobs_page(None, None, None, 1000).await.unwrap().iter().map(|j| j.progress.done.as_micros() as i64).sum();
    catalogue.close().await;
    assert!(crops.len() >= 50, "{} real tracklets are too few to draw from", crops.len());
    let told = json!({
        "count": crops.len(),
        "crop_bytes": bytes / crops.len(),
        "footage_s": round(footage_us as f64 / 1e6),
    });
    (changes, crops, told)
}

/// A case over a tenth of the cameras, authorised: its id.
pub(super) async fn open_case(deployed: &Deployed, window: &TimeWindow) -> String {
    let request = v1::OpenCaseRequest {
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "a measurement".into(),
        reason: "a measurement".into(),
        scope: Some(v1::Scope {
            camera_ids: case_cameras().iter().map(ToString::to_string).collect(),
            window: Some(message(&window.from().to_string(), &window.to().to_string())),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut cases = CaseServiceClient::new(deployed.channel("investigator").await);
    let opened = cases.open_case(request).await.unwrap().into_inner().case.unwrap();
    deployed.authorise("authoriser", &opened).await.unwrap().id
}
