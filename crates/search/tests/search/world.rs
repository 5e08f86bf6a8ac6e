use std::{collections::BTreeSet, sync::Arc, time::Duration};

use access::*;
use catalogue::{Camera, Catalogue, CatalogueConfig, SightingRecord};
use index::{IndexEntry, IndexSpec, VectorIndex};
use redact::{FaceFinder, FaceFinderError, FoundFace, RedactedCrop, Subject};
use search::Searcher;
use tempfile::TempDir;
use types::*;

pub(crate) const MODEL: ModelDigest = ModelDigest([9; 32]);
pub(crate) const LEN: usize = 4;
pub(crate) const SECOND: i64 = 1_000_000;

pub(crate) struct World {
    pub(crate) searcher: Searcher,
    pub(crate) catalogue: Catalogue,
    pub(crate) index: Arc<VectorIndex>,
    pub(crate) cameras: Vec<PooledCamera>,
    count: std::cell::Cell<u64>,
    _folder: TempDir,
}

/// Seconds after noon of 2026-03-01.
pub(crate) fn at(seconds: i64) -> CaptureTime {
    "2026-03-01T12:00:00Z".parse::<CaptureTime>().unwrap().plus_micros(seconds * SECOND)
}

pub(crate) fn window(from: i64, to: i64) -> TimeWindow {
    TimeWindow::new(at(from), at(to)).unwrap()
}

pub(crate) fn camera(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

/// A unit vector at this angle from the first axis.
pub(crate) fn looks(degrees: f32) -> Embedding {
    let radians = degrees.to_radians();
    Embedding::new(MODEL, vec![radians.cos(), radians.sin(), 0.0, 0.0]).unwrap()
}

pub(crate) fn wears(upper: Colour, lower: Colour, confidence: f32) -> Description {
    Description {
        upper: Some(Described::new(upper, confidence)),
        lower: Some(Described::new(lower, confidence)),
        stature: Some(Described::new(Stature::Small, 0.8)),
        ..Description::default()
    }
}

struct NoFaces;

impl FaceFinder for NoFaces {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

fn crop() -> RedactedCrop {
    let size = Size { width: 16, height: 16 };
    let raw = RawCrop::new(vec![90; 16 * 16 * 3], size, (0, 0)).unwrap();
    let subject = Subject { class: Class::Car, bbox: Rect::new(0.0, 0.0, 16.0, 16.0), people: Vec::new() };
    redact::redact(raw, &subject, &mut NoFaces).unwrap()
}

impl World {
    /// Two cameras of the city, one of transit; nothing seen yet.
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name| folder.path().join(name);
        let catalogue = Catalogue::open(&CatalogueConfig::in_folder(folder.path())).await.unwrap();
        let index = Arc::new(VectorIndex::open(&at("index"), IndexSpec { model: MODEL, appearance_len: LEN }).unwrap());
        for name in ["city", "transit"] {
            catalogue.add_agency(&AgencyId::new(name).unwrap(), name).await.unwrap();
        }
        for (name, agency) in [("north", "city"), ("south", "city"), ("quay", "transit")] {
            catalogue.add_camera(&Camera::new(camera(name), AgencyId::new(agency).unwrap())).await.unwrap();
        }
        let cameras = catalogue.pooled_cameras().await.unwrap().to_vec();
        let searcher = Searcher::new(Arc::clone(&index), catalogue.clone());
        Self { searcher, catalogue, index, cameras, count: 0.into(), _folder: folder }
    }

    pub(crate) fn sighting(&self, on: &str, first: i64, description: Description) -> Sighting {
        let stamp = |t| TimeStamp { time: t, uncertainty: ClockUncertainty::default(), source: TimeSource::Given };
        let camera = camera(on);
        self.count.set(self.count.get() + 1);
        Sighting {
            id: SightingId::derive(&camera, b"test", self.count.get()),
            agency: self.cameras.iter().find(|c| c.id == camera).unwrap().agency.clone(),
            camera,
            class: Class::Person,
            first: stamp(at(first)),
            last: stamp(at(first + 5)),
            best: at(first + 2),
            bbox: Rect::new(0.0, 0.0, 10.0, 20.0),
            frame: Size { width: 640, height: 480 },
            score: 0.9,
            detections: 10,
            description,
            origin: SightingOrigin::Footage(FootageDigest([1; 32])),
        }
    }

    pub(crate) async fn see(&self, on: &str, first: i64, description: Description, looks: Embedding) -> SightingId {
        self.store(self.sighting(on, first, description), looks).await
    }

    pub(crate) async fn store(&self, sighting: Sighting, looks: Embedding) -> SightingId {
        let id = sighting.id;
        self.store_all(vec![(sighting, looks)]).await;
        id
    }

    pub(crate) async fn store_all(&self, all: Vec<(Sighting, Embedding)>) {
        let entries: Vec<_> = all.iter().map(|(s, looks)| IndexEntry::of(s.clone(), looks.clone())).collect();
        let records: Vec<_> =
            all.into_iter().map(|(sighting, embedding)| SightingRecord { sighting, crop: crop(), embedding }).collect();
        let turn = self.catalogue.force_acquire_lease("test", "test", Duration::from_secs(600)).await.unwrap().unwrap();
        let seq = self.catalogue.put_sightings(&records, &turn.into()).await.unwrap();
        self.index.upsert(&entries, seq).unwrap();
    }

    /// A permit for the whole case, made by a real gate, as changed.
    pub(crate) async fn permit(&self, change: impl FnOnce(&mut Grant, &mut SearchRequest)) -> CasePermit {
        let name = |n| Name::new(n).unwrap();
        let caller = Caller { name: name("ida"), organisation: name("police"), role: Role::Investigator };
        let now: ReceiveTime = "2026-03-02T09:00:00Z".parse().unwrap();
        let mut grant = Grant {
            case: CaseId::new("lost-child-7").unwrap(),
            purpose: Purpose::MissingPerson,
            legal_basis: "Act 12".to_owned(),
            reason: "last seen at the quay".to_owned(),
            requester: caller.clone(),
            scope: Scope {
                cameras: BTreeSet::new(),
                agencies: ["city", "transit"].map(|a| AgencyId::new(a).unwrap()).into(),
                area: None,
                window: window(-3600, 3600),
                classes: BTreeSet::new(),
                parts: BTreeSet::new(),
            },
            budgets: Budgets { queries: 10, results: 5_000 },
            opened: now,
            expires: now.plus_micros(3_600 * SECOND),
            emergency: None,
        };
        let mut request = SearchRequest { limit: 100, ..SearchRequest::default() };
        change(&mut grant, &mut request);
        let mut case = Case::requested(grant);
        let by = Caller { name: name("otto"), organisation: name("court"), role: Role::Authoriser };
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = sign_grant(&key, &case.grant);
        case.authorise(&Policy::default(), &by, Proof::Key { key: PublicKey::from(&key), signature }, now).unwrap();
        let gate = Gate::new(Policy::default(), MemoryLog::new());
        gate.permit(access::Searching::Once, case.id(), Some(&case), &self.cameras, &request, None, &caller, now).await.unwrap()
    }
}
