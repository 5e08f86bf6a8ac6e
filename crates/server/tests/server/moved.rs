//! A camera's stream is somewhere else: its device, which named the address, is asked again.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use proto::v1::{self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient};
use tonic::Code;

use crate::{
    harness::{Deployed, told},
    live::{Camera, walking},
    onvif_device::{Device, PASSWORD, Quirks, USER, Wants},
};

/// Where nobody listens.
fn nowhere() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn address(port: u16, path: &str) -> String {
    format!("rtsp://{USER}:horse%20%26%20%3Cbattery%3E@127.0.0.1:{port}/{path}")
}

fn source(url: &str, onvif: &str) -> v1::SetCameraSourceRequest {
    v1::SetCameraSourceRequest { camera_id: "gate".into(), url: url.into(), onvif: onvif.into(), ..Default::default() }
}

async fn give(deployed: &Deployed, url: &str, onvif: &str) {
    LiveServiceClient::new(deployed.channel("operator").await).set_camera_source(source(url, onvif)).await.unwrap();
}

/// The camera's status, once it is so.
async fn until(deployed: &Deployed, what: &str, is: impl Fn(&v1::CameraStatus) -> bool) -> v1::CameraStatus {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let mut live = LiveServiceClient::new(deployed.channel("operator").await);
        let all = live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras;
        match all.into_iter().next() {
            Some(now) if is(&now) => return now,
            now => assert!(Instant::now() < deadline, "never {what}: {now:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn outcome(status: &v1::CameraStatus) -> &str {
    status.address_asked.as_ref().map_or("", |asked| asked.outcome.as_str())
}

fn kept(deployed: &Deployed) -> String {
    fs::read_to_string(deployed.home.root().join("secrets/cameras/gate.url")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_stopped_working_is_asked_for_anew_and_kept_on_the_record_once_a_picture_came_from_the_new_one() {
    let Some(file) = walking() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let camera = Camera::start(&file, 0, PASSWORD);
    let port = camera.port();
    // Of the host that it names nothing is taken: it is another one.
    let device = Device::start(Quirks { stream: format!("rtsp://10.0.0.1:{port}/live"), ..Quirks::default() });
    give(&deployed, &address(nowhere(), "old"), &device.host()).await;
    let now = until(&deployed, "watched elsewhere", |c| outcome(c) == "taken" && c.state() == v1::CameraState::Live).await;
    let asked = now.address_asked.clone().unwrap();
    assert!(asked.reason.contains(&format!("rtsp://127.0.0.1:{port}/live")) && !asked.reason.contains("battery"), "{asked:?}");
    assert!(now.losses >= 2, "{now:?}");
    assert_eq!(kept(&deployed), format!("{}\nonvif http://{}/onvif/device_service\n", address(port, "live"), device.host()));

    // Its thread is there already, and is not begun anew for what it found itself.
    let later = until(&deployed, "watched on", |c| c.frames > now.frames + 20).await;
    assert!(later.losses >= now.losses, "{later:?}");
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    let rows = cameras.export_cameras(v1::ExportCamerasRequest::default()).await.unwrap().into_inner().cameras;
    assert_eq!(rows.iter().find(|row| row.id == "gate").unwrap().url, format!("rtsp://127.0.0.1:{port}/live"));
    let entries = deployed.entries().await;
    let by_itself = entries.iter().filter(|e| e.action == "camera.source" && e.caller.is_none());
    assert_eq!(by_itself.map(|e| e.outcome.as_str()).collect::<Vec<_>>(), ["permitted", "done"]);
    assert!(device.asked().iter().all(|asked| asked.contains("<c:Get") && !asked.contains("horse")));

    // It is kept: nobody is asked after a restart.
    let before = device.asked().len();
    deployed.stop().await;
    deployed.again().await;
    let again = until(&deployed, "live after a restart", |c| c.state() == v1::CameraState::Live).await;
    assert_eq!((again.losses, again.address_asked, device.asked().len()), (0, None, before));
    deployed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_gives_no_picture_is_not_taken_and_a_device_that_refuses_the_password_is_asked_by_a_person_alone() {
    let deployed = Deployed::with_cameras().await;
    let (old, new) = (nowhere(), nowhere());
    let device = Device::start(Quirks { stream: format!("rtsp://127.0.0.1:{new}/live"), ..Quirks::default() });
    give(&deployed, &address(old, "old"), &device.host()).await;
    let tried = until(&deployed, "tried in vain", |c| outcome(c) == "not_taken").await;
    assert!(tried.address_asked.unwrap().reason.contains(&format!("rtsp://127.0.0.1:{new}/live")));
    assert!(kept(&deployed).starts_with(&address(old, "old")));
    assert!(tried.reason.contains("127.0.0.1"), "{}", tried.reason);

    let wrong = format!("rtsp://{USER}:wrong@127.0.0.1:{old}/old");
    give(&deployed, &wrong, &device.host()).await;
    let refused = until(&deployed, "refused", |c| outcome(c) == "refused").await;
    let text = refused.address_asked.unwrap().reason;
    assert!(text.contains("refuses the user name or password") && text.contains("not asked again until its address"), "{text}");
    let (shown, asked) = (device.wrong().len(), device.asked().len());
    assert!(shown <= 2, "{:?}", device.wrong());
    until(&deployed, "lost again and again", |c| c.losses > refused.losses + 1).await;
    assert_eq!((device.wrong().len(), device.asked().len()), (shown, asked));
    // By a person, with the same address.
    give(&deployed, &wrong, &device.host()).await;
    until(&deployed, "asked again", |_| device.asked().len() > asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_password_is_refused_is_not_asked_elsewhere_and_a_device_is_on_the_host_of_the_address() {
    let deployed = Deployed::with_cameras().await;
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    for (url, onvif, profile) in [
        ("rtsp://u:p@127.0.0.1:9/live", "127.0.0.2", ""),
        ("rtsp://u:p@127.0.0.1:9/live", "cam.example:80", ""),
        ("rtsp://u:p@127.0.0.1:9/live", "http://u:s3cret@127.0.0.1", ""),
        ("rtsp://u:p@127.0.0.1:9/live", "", "main"),
        ("rtsp://u:p@127.0.0.1:9/live", "127.0.0.1", "a\nb"),
    ] {
        let request = v1::SetCameraSourceRequest { onvif_profile: profile.into(), ..source(url, onvif) };
        let refused = live.set_camera_source(request).await.unwrap_err();
        assert_eq!(told(&refused), (Code::InvalidArgument, "onvif".to_owned()), "{onvif:?} {profile:?}");
        assert!(!refused.message().contains("s3cret"));
    }
    let Some(file) = walking() else { return };
    let camera = Camera::start(&file, 0, "another");
    let device = Device::start(Quirks { wants: Wants::Nothing, ..Quirks::default() });
    give(&deployed, &address(camera.port(), "live"), &device.host()).await;
    let alone = until(&deployed, "left alone", |c| c.retry_in.as_ref().is_some_and(|d| d.seconds > 3000)).await;
    assert!(alone.address_asked.is_none() && device.asked().is_empty(), "{alone:?}");
}
