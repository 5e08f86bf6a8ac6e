//! Sightings put into a home folder before its server starts, with crops of noise.

use std::time::Duration;

use catalogue::{Camera, Catalogue, CatalogueConfig, FencingToken, SightingRecord};
use deployment::Home;
use redact::{FaceFinder, FaceFinderError, FoundFace, RedactedCrop, Subject};
use types::*;

struct NoFaces;

impl FaceFinder for NoFaces {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

/// Noise, so that its JPEG is about as large as a real one can be.
pub(crate) fn crop() -> RedactedCrop {
    crop_of(128)
}

/// As wide and as high.
pub(crate) fn crop_of(side: u32) -> RedactedCrop {
    let size = Size { width: side, height: side };
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let raw = RawCrop::new((0..side * side * 3).map(|_| noise()).collect(), size, (0, 0)).unwrap();
    let subject = Subject { class: Class::Car, bbox: Rect::new(0.0, 0.0, side as f32, side as f32), people: Vec::new() };
    redact::redact(raw, &subject, &mut NoFaces).unwrap()
}

/// Agency `local` with `gate` and `yard`, and agency `other` with `quay`; `each` red cars in each of `gate` and `yard`,
/// in turns, from 2026-03-01T08:30:00Z on, and one in `quay`. The ids are in that order.
pub(crate) async fn cars(home: &Home, each: u64) -> Vec<SightingId> {
    let models = vision::ModelStore::from_env().unwrap();
    let embedder = vision::Embedder::load(&models, None, None).unwrap();
    let data = home.root().join("data");
    let config = CatalogueConfig::in_folder(&data);
    let catalogue = Catalogue::open(&config).await.unwrap();
    for (agency, cameras) in [("local", &["gate", "yard"][..]), ("other", &["quay"])] {
        let agency = AgencyId::new(agency).unwrap();
        catalogue.add_agency(&agency, agency.as_str()).await.unwrap();
        for camera in cameras {
            catalogue.add_camera(&Camera::new(CameraId::new(camera).unwrap(), agency.clone())).await.unwrap();
        }
    }
    let crop = crop();
    let mut values = vec![0.0; embedder.len()];
    values[0] = 1.0;
    let embedding = Embedding::new(embedder.digest(), values).unwrap();
    let places = (0..each).flat_map(|_| [("gate", "local"), ("yard", "local")]).chain([("quay", "other")]);
    let records: Vec<_> = places
        .enumerate()
        .map(|(n, (camera, agency))| {
            let sighting = car(camera, agency, n as u64);
            SightingRecord { sighting, crop: crop.clone(), embedding: embedding.clone() }
        })
        .collect();
    let ids = records.iter().map(|r| r.sighting.id).collect();
    catalogue.put_sightings(&records, &leave(&catalogue).await).await.unwrap();
    mark(home, &catalogue).await;
    catalogue.close().await;
    ids
}

/// Leave to write, for tests that are about something else.
pub(crate) async fn leave(catalogue: &Catalogue) -> FencingToken {
    catalogue.force_acquire_lease("test", "test", Duration::from_secs(600)).await.unwrap().unwrap().into()
}

/// The high-water mark that the server leaves which wrote the entries so far.
async fn mark(home: &Home, catalogue: &Catalogue) {
    use access::log::{MemoryTiles, TreeHead, append, sign_head};
    let entries = catalogue.audit_bytes_since(0, 1_000).await.unwrap();
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let head = append(&mut MemoryTiles::default(), &TreeHead::EMPTY, &entries).unwrap();
    let signer = audit_log::read_signer(&home.log_key()).unwrap();
    let note = sign_head(&signer, &head).unwrap();
    std::fs::write(home.root().with_extension("high-water"), note.to_string()).unwrap();
}

pub(crate) fn car(camera: &str, agency: &str, n: u64) -> Sighting {
    let start: CaptureTime = "2026-03-01T08:30:00Z".parse().unwrap();
    let stamp = |s: i64| TimeStamp {
        time: start.plus_micros((n as i64 + s) * 1_000_000),
        uncertainty: ClockUncertainty::default(),
        source: TimeSource::Given,
    };
    let camera = CameraId::new(camera).unwrap();
    Sighting {
        id: SightingId::derive(&camera, b"test", n),
        agency: AgencyId::new(agency).unwrap(),
        camera,
        class: Class::Car,
        first: stamp(0),
        last: stamp(1),
        best: stamp(0).time,
        bbox: Rect::new(0.0, 0.0, 128.0, 128.0),
        frame: Size { width: 640, height: 480 },
        score: 0.9,
        detections: 5,
        description: Description { vehicle_colour: Some(Described::new(Colour::Red, 0.9)), ..Description::default() },
        origin: SightingOrigin::Footage(FootageDigest([1; 32])),
    }
}
