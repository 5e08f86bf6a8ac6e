//! Cameras that come and go leave nothing behind.

use std::time::{Duration, Instant};

use proto::v1::{self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient};
use tonic::transport::Channel;

use crate::{
    harness::Deployed,
    left::{self, Left, alone},
    live::{Camera, walking},
};

const AT_ONCE: usize = 10;
/// Between two looks at the memory.
const STEP: usize = 100;

async fn watched(live: &mut LiveServiceClient<Channel>, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let all = live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras;
        if all.len() == count {
            return;
        }
        assert!(Instant::now() < deadline, "{} of {count} cameras are watched", all.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn come_and_go(live: &mut LiveServiceClient<Channel>, urls: &[String]) {
    for gone in [false, true] {
        for (n, url) in urls.iter().enumerate() {
            let url = if gone { String::new() } else { url.clone() };
            live.set_camera_source(v1::SetCameraSourceRequest { camera_id: format!("c{n}"), url, ..Default::default() })
                .await
                .unwrap();
        }
        watched(live, if gone { 0 } else { urls.len() }).await;
        if !gone {
            // Some are connected by then, some are not.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[test]
fn cameras_that_come_and_go_leave_no_thread_and_no_descriptor() {
    let Some(file) = walking() else { return };
    let many: usize = std::env::var("SIGHTLINE_CAMERAS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    if !alone("comings::cameras_that_come_and_go_leave_no_thread_and_no_descriptor") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Threads that wait for the next call to block are neither a camera's nor left behind.
        .thread_keep_alive(Duration::from_millis(200))
        .build()
        .unwrap();
    runtime.block_on(async {
        let deployed = Deployed::start().await;
        let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
        cameras.add_agency(v1::AddAgencyRequest { id: "local".into(), title: "Local".into() }).await.unwrap();
        for n in 0..AT_ONCE {
            let request = v1::AddCameraRequest { id: format!("c{n}"), agency_id: "local".into(), ..Default::default() };
            cameras.add_camera(request).await.unwrap();
        }
        let mut live = LiveServiceClient::new(deployed.channel("operator").await);
        // Two that are there, four where nobody answers, four that accept and say nothing.
        let good = Camera::start(&file, 0, "correct-horse");
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        mute.set_nonblocking(true).unwrap();
        let mute_port = mute.local_addr().unwrap().port();
        let url = |n: usize| match n {
            0 | 1 => good.url("correct-horse"),
            2..6 => format!("rtsp://127.0.0.1:{closed}/live"),
            _ => format!("rtsp://127.0.0.1:{mute_port}/live"),
        };
        let urls: Vec<String> = (0..AT_ONCE).map(url).collect();
        let mut rounds = async |count: usize| {
            for _ in 0..count {
                come_and_go(&mut live, &urls).await;
                while mute.accept().is_ok() {}
            }
        };
        // The first ones make room for what the busiest moments take: as many as are looked at afterwards.
        rounds(many / AT_ONCE).await;
        let mut memory = vec![left::resident_kib()];
        let before = Left::settled(None);
        for _ in 0..many / STEP {
            rounds(STEP / AT_ONCE).await;
            memory.push(left::resident_kib());
        }
        let after = Left::settled(Some(before));
        eprintln!("{before:?} before, {after:?} after {many} cameras more; every {STEP} of them KiB {memory:?}");
        after.assert_no_more_than(before);
        let (before, after) = (memory[0], memory[memory.len() - 1]);
        assert!(after * 100 <= before * 105, "KiB {memory:?}");
    });
}
