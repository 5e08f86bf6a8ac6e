//! How long it takes from a frame's leaving the camera until what it shows can be found.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use chrono::Utc;
use proto::v1::{self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient};

use crate::{harness::Deployed, live::walking};

const CAMERAS: usize = 4;
/// Between two searches: what is measured is at most this much too long.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Cameras in a process of their own, with a clock of their own in their sender reports; gone when dropped.
struct Cameras(Child);

impl Drop for Cameras {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn seconds(time: Option<prost_types::Timestamp>) -> f64 {
    time.map_or(f64::NAN, |t| t.seconds as f64 + f64::from(t.nanos) / 1e9)
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: SIGHTLINE_FRESHNESS_MINUTES, 3 unless told"]
async fn what_four_cameras_see_is_found_within_two_seconds() {
    let Some(file) = walking() else { return };
    let minutes: f64 = std::env::var("SIGHTLINE_FRESHNESS_MINUTES").ok().and_then(|m| m.parse().ok()).unwrap_or(3.0);
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/rtsp_cameras");
    let mut command = Command::new(program);
    command.arg(CAMERAS.to_string()).arg(&file).args(["--times", "20"]);
    let mut cameras = Cameras(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut ports = String::new();
    BufReader::new(cameras.0.stdout.take().unwrap()).read_line(&mut ports).unwrap();

    let more = "[missing_person]\nqueries = 1000000\nresults = 1000000\n";
    let deployed = Deployed::configured(more, async |_: &deployment::Home| {}).await;
    let mut service = CameraServiceClient::new(deployed.channel("operator").await);
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    service.add_agency(v1::AddAgencyRequest { id: "local".into(), title: "Local".into() }).await.unwrap();
    for (n, port) in ports.split_whitespace().enumerate() {
        let id = format!("c{n}");
        service
            .add_camera(v1::AddCameraRequest { id: id.clone(), agency_id: "local".into(), ..Default::default() })
            .await
            .unwrap();
        let url = format!("rtsp://127.0.0.1:{port}/live");
        live.set_camera_source(v1::SetCameraSourceRequest { camera_id: id, url, ..Default::default() }).await.unwrap();
        // People of one camera are not those of another.
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    let case = deployed.agency_case("k", "local").await;
    let mut search = proto::v1::search_service_client::SearchServiceClient::new(deployed.channel("investigator").await);

    let (began, mut first_seen) = (Instant::now(), HashMap::new());
    let lasts = Duration::from_secs_f64(minutes * 60.0);
    while began.elapsed() < lasts {
        let from = Utc::now() - chrono::Duration::seconds(15);
        let window = crate::harness::window(&from.to_rfc3339(), &(Utc::now() + chrono::Duration::seconds(5)).to_rfc3339());
        let request = v1::SearchRequest {
            case_id: case.clone(),
            description: Some(v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() }),
            window: Some(window),
            limit: 200,
            ..Default::default()
        };
        let mut answer = search.search(request).await.unwrap().into_inner();
        while let Some(part) = answer.message().await.unwrap() {
            let now = Utc::now().timestamp_micros() as f64 / 1e6;
            let Some(v1::search_response::Part::Hit(hit)) = part.part else { continue };
            let sighting = hit.sighting.unwrap();
            let time = |t: Option<v1::CaptureTime>| t.map_or(f64::NAN, |t| seconds(t.time));
            let (first, last) = (time(sighting.first), time(sighting.last));
            first_seen.entry(sighting.id).or_insert((now - last, now - first, last));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    // Those that were there when the asking began were not waited for.
    let asked_since = Utc::now().timestamp_micros() as f64 / 1e6 - began.elapsed().as_secs_f64();
    first_seen.retain(|_, (_, _, last)| *last > asked_since);
    let sorted = |which: fn(&(f64, f64, f64)) -> f64| {
        let mut all: Vec<f64> = first_seen.values().map(which).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (confirmed, appeared) = (sorted(|s| s.0), sorted(|s| s.1));
    for (what, all) in [("the frame that confirmed it", &confirmed), ("the first frame that shows it", &appeared)] {
        eprintln!(
            "freshness of {} sightings of {CAMERAS} cameras, from {what}: p50 {:.2} s, p95 {:.2} s, worst {:.2} s",
            all.len(),
            at(all, 0.5),
            at(all, 0.95),
            at(all, 1.0)
        );
    }
    for camera in live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras {
        let (looked, late) = (camera.frames, camera.dropped_late);
        eprintln!("{}: {looked} frames looked at, {late} dropped by load, {:.1} a second", camera.camera_id, camera.fps);
    }
    assert!(appeared.len() >= 10, "too few to measure: {}", appeared.len());
}
