//! A home folder with sightings and a case, for the benchmarks that ask a whole server.

use std::{fs, sync::Arc, time::Duration};

use access::{Grant, sign_grant, signing_key_from_pem};
use anyhow::{Context, Result};
use catalogue::{Camera, Catalogue, CatalogueConfig, FencingToken, SightingRecord};
use deployment::Home;
use index::{IndexEntry, IndexSpec, VectorIndex};
use proto::v1::{self, case_service_client::CaseServiceClient};
use redact::{FaceFinder, FaceFinderError, FoundFace, RedactedCrop, Subject};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use types::{
    AgencyId, CameraId, CaptureTime, Class, ClockUncertainty, Colour, Described, Description, Embedding, FootageDigest, RawCrop,
    Rect, Sighting, SightingId, SightingOrigin, Size, TimeSource, TimeStamp,
};
use vision::{Embedder, ModelStore};

/// Sightings in scope.
pub(crate) const SIGHTINGS: u64 = 5_000;
pub(crate) const FROM: &str = "2026-03-01T08:00:00Z";
pub(crate) const TO: &str = "2026-03-01T10:00:00Z";

/// What there is to see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Of a crop, in pixels.
    pub(crate) side: u32,
    /// So many in a row are of one camera, a second apart.
    pub(crate) in_a_row: u64,
    /// One in so many has no colour; 0: each has one.
    pub(crate) colourless: u64,
}

pub(crate) fn spec() -> Result<IndexSpec> {
    let embedder = Embedder::load(&ModelStore::from_env()?, None, None)?;
    Ok(IndexSpec { model: embedder.digest(), appearance_len: embedder.len() })
}

/// The same sightings for both.
pub(crate) async fn see(data: &std::path::Path, spec: IndexSpec, seen: Seen) -> Result<(Catalogue, Arc<VectorIndex>)> {
    let config = CatalogueConfig::in_folder(data);
    fs::create_dir_all(data)?;
    let catalogue = Catalogue::open(&config).await?;
    let agency = AgencyId::new("local")?;
    catalogue.add_agency(&agency, "a bench").await?;
    let cameras = (0..20).map(|n| CameraId::new(&format!("camera-{n}"))).collect::<Result<Vec<_>, _>>()?;
    for camera in &cameras {
        catalogue.add_camera(&Camera::new(camera.clone(), agency.clone())).await?;
    }
    // Elsewhere than where the server will make its own.
    let index = Arc::new(VectorIndex::open(&data.join("bench-index"), spec)?);
    let crop = crop(seen.side)?;
    let mut values = vec![0.0; spec.appearance_len];
    values[0] = 1.0;
    let looks = Embedding::new(spec.model, values)?;
    let turn = catalogue.force_acquire_lease("bench", "bench", Duration::from_secs(3_600)).await?.context("a turn")?;
    let leave = FencingToken::from(turn);
    for batch in (0..SIGHTINGS).collect::<Vec<_>>().chunks(500) {
        let sightings = batch.iter().map(|n| sighting(*n, &cameras, &agency, seen)).collect::<Result<Vec<_>>>()?;
        let entries: Vec<_> = sightings.iter().map(|s| IndexEntry::of(s.clone(), looks.clone())).collect();
        let record = |sighting| SightingRecord { sighting, crop: crop.clone(), embedding: looks.clone() };
        let records: Vec<_> = sightings.into_iter().map(record).collect();
        let seq = catalogue.put_sightings(&records, &leave).await?;
        index.upsert(&entries, seq)?;
    }
    index.flush()?;
    Ok((catalogue, index))
}

pub(crate) fn sighting(n: u64, cameras: &[CameraId], agency: &AgencyId, seen: Seen) -> Result<Sighting> {
    let camera = cameras[(n / seen.in_a_row) as usize % cameras.len()].clone();
    let start: CaptureTime = "2026-03-01T08:30:00Z".parse()?;
    let stamp = |s: i64| TimeStamp {
        time: start.plus_micros((n as i64 + s) * 1_000_000),
        uncertainty: ClockUncertainty::default(),
        source: TimeSource::Given,
    };
    // No two alike, so that the best ten are ten.
    let confidence = 0.5 + (n % 997) as f32 / 2000.0;
    let colour = Colour::ALL[n as usize % Colour::ALL.len()];
    let coloured = seen.colourless == 0 || !n.is_multiple_of(seen.colourless);
    Ok(Sighting {
        id: SightingId::derive(&camera, b"bench", n),
        camera,
        agency: agency.clone(),
        class: Class::Car,
        first: stamp(0),
        last: stamp(1),
        best: stamp(0).time,
        bbox: Rect::new(0.0, 0.0, 16.0, 16.0),
        frame: Size { width: 640, height: 480 },
        score: 0.9,
        detections: 5,
        description: Description {
            vehicle_colour: coloured.then(|| Described::new(colour, confidence)),
            ..Description::default()
        },
        origin: SightingOrigin::Footage(FootageDigest([1; 32])),
    })
}

struct NoFaces;

impl FaceFinder for NoFaces {
    fn find(&mut self, _: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        Ok(Vec::new())
    }
}

/// Noise, so that its JPEG is about as large as one can be.
pub(crate) fn crop(side: u32) -> Result<RedactedCrop> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let pixels = (0..side * side * 3).map(|_| noise()).collect();
    let raw = RawCrop::new(pixels, Size { width: side, height: side }, (0, 0)).context("a crop")?;
    let whole = Rect::new(0.0, 0.0, side as f32, side as f32);
    Ok(redact::redact(raw, &Subject { class: Class::Car, bbox: whole, people: Vec::new() }, &mut NoFaces)?)
}

pub(crate) async fn channel(home: &Home, address: std::net::SocketAddr) -> Result<Channel> {
    channel_as(home, address, "investigator").await
}

pub(crate) async fn channel_as(home: &Home, address: std::net::SocketAddr, who: &str) -> Result<Channel> {
    let (certificate, key) = home.identity(who);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(home.authority())?))
        .domain_name("localhost")
        .identity(Identity::from_pem(fs::read(certificate)?, fs::read(key)?));
    Ok(Endpoint::from_shared(format!("https://{address}"))?.tcp_nodelay(true).tls_config(tls)?.connect().await?)
}

pub(crate) async fn authorised_case(home: &Home, investigator: &Channel, address: std::net::SocketAddr) -> Result<()> {
    let time = |text: &str| Ok::<_, anyhow::Error>(Some(proto::timestamp(text.parse()?)));
    let request = v1::OpenCaseRequest {
        id: "k".into(),
        purpose: v1::Purpose::MissingPerson.into(),
        legal_basis: "a bench".into(),
        reason: "a bench".into(),
        scope: Some(v1::Scope {
            agency_ids: vec!["local".into()],
            window: Some(v1::TimeWindow { from: time(FROM)?, to: time(TO)? }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let case = CaseServiceClient::new(investigator.clone()).open_case(request).await?.into_inner().case.context("a case")?;
    let key = signing_key_from_pem(&fs::read_to_string(home.grant_key("authoriser"))?)?;
    let signature = sign_grant(&key, &Grant::from_bytes(&case.grant)?).0.to_vec();
    let mut cases = CaseServiceClient::new(channel_as(home, address, "authoriser").await?);
    cases.authorise_case(v1::AuthoriseCaseRequest { case_id: "k".into(), signature, passkey: None }).await?;
    Ok(())
}
