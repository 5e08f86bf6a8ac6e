//! Live cameras: a real RTSP server in a process of its own, real footage in real time.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proto::v1::{self, camera_service_client::CameraServiceClient, live_service_client::LiveServiceClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use crate::harness::{Deployed, told};

/// A camera; gone when dropped.
pub(crate) struct Camera {
    process: Child,
    port: u16,
}

impl Camera {
    pub(crate) fn start(file: &Path, port: u16, password: &str) -> Self {
        // Examples are built with the tests, beside their folder.
        let deps = std::env::current_exe().unwrap();
        let program: PathBuf = deps.ancestors().nth(2).unwrap().join("examples/rtsp_server");
        assert!(program.exists(), "{} is not there: cargo build --workspace --examples", program.display());
        let mut process = Command::new(program)
            .args([file.to_str().unwrap(), &port.to_string(), &format!("operator:{password}")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, password: &str) -> String {
        format!("rtsp://operator:{password}@127.0.0.1:{}/live", self.port)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// People who walk by, or `None`, said loudly.
pub(crate) fn walking() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage");
    let root = std::env::var_os("SIGHTLINE_FOOTAGE").map_or(shared, PathBuf::from);
    let file = root.join("intel_ccby/one-by-one-person-detection.mp4");
    if !file.is_file() {
        eprintln!("SKIPPED: footage {} is not there; set SIGHTLINE_FOOTAGE", file.display());
        return None;
    }
    file.canonicalize().ok()
}

async fn status(deployed: &Deployed) -> v1::CameraStatus {
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    let mut all = live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn until(deployed: &Deployed, what: &str, is: impl Fn(&v1::CameraStatus) -> bool) -> v1::CameraStatus {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        // Right after its source was set a camera is not looked after yet.
        let mut live = LiveServiceClient::new(deployed.channel("operator").await);
        let all = live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras;
        if let Some(now) = all.into_iter().next() {
            if is(&now) {
                return now;
            }
            assert!(Instant::now() < deadline, "never {what}: {now:?}");
        }
        assert!(Instant::now() < deadline, "never {what}: not watched");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn set_source(deployed: &Deployed, url: &str) {
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    live.set_camera_source(v1::SetCameraSourceRequest { camera_id: "gate".into(), url: url.into(), ..Default::default() })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_camera_is_searchable_while_it_runs_and_comes_back_by_itself() {
    let Some(file) = walking() else { return };
    let mut deployed = Deployed::with_cameras().await;
    let camera = Camera::start(&file, 0, "correct-horse");

    set_source(&deployed, &camera.url("wrong-horse")).await;
    let refused = until(&deployed, "refused", |c| c.state() == v1::CameraState::Offline).await;
    assert!(refused.reason.contains("user name or password") && !refused.reason.contains("horse"), "{refused:?}");
    assert!(refused.retry_in.is_some());

    set_source(&deployed, &camera.url("correct-horse")).await;
    until(&deployed, "live", |c| c.state() == v1::CameraState::Live).await;
    let seen = until(&deployed, "a sighting", |c| c.sightings > 0).await;
    assert!(seen.fps > 0.0 && seen.fps_decoded > 0.0 && seen.last_frame.is_some(), "{seen:?}");
    let now = chrono::Utc::now();
    let at = |minutes: i64| (now + chrono::Duration::minutes(minutes)).to_rfc3339();
    deployed.authorised_case("live", "gate", &at(-10), &at(10)).await;
    let anybody = v1::SearchRequest {
        case_id: "live".into(),
        description: Some(v1::DescriptionQuery { class: v1::Class::Person.into(), ..Default::default() }),
        ..Default::default()
    };
    let (hits, _) = deployed.search("investigator", anybody).await.unwrap();
    assert!(!hits.is_empty());

    // The camera goes and comes back on the same port.
    let port = camera.port;
    drop(camera);
    until(&deployed, "lost", |c| c.state() == v1::CameraState::Offline).await;
    let camera = Camera::start(&file, port, "correct-horse");
    let back = until(&deployed, "live again", |c| c.state() == v1::CameraState::Live).await;
    assert!(back.losses >= 1);

    // Nothing secret is told or kept in the catalogue.
    let data = deployed.home.root().join("data");
    for entry in std::fs::read_dir(data).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!bytes.windows(13).any(|w| w == b"correct-horse"), "{}", entry.display());
    }

    // A server that stops publishes what it followed; the next one watches again.
    deployed.stop().await;
    deployed.again().await;
    until(&deployed, "live after a restart", |c| c.state() == v1::CameraState::Live).await;
    assert!(deployed.check().await.clean);

    set_source(&deployed, "").await;
    let mut live = LiveServiceClient::new(deployed.channel("operator").await);
    let deadline = Instant::now() + Duration::from_secs(600);
    while !live.camera_status(v1::CameraStatusRequest::default()).await.unwrap().into_inner().cameras.is_empty() {
        assert!(Instant::now() < deadline, "{:?}", status(&deployed).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!deployed.home.root().join("secrets/cameras/gate.url").exists());
    drop(camera);
    // Dropped while it runs, the runtime would wait for a camera's thread that waits for the runtime.
    deployed.stop().await;
}

/// A camera whose codec is changed while it is watched, in a process of its own; gone when dropped.
struct Changing {
    process: Child,
    url: String,
}

impl Changing {
    fn start() -> Self {
        let tests = std::env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples/rtsp_cameras");
        let mut command = Command::new(program);
        let mut process = command.args(["1", "--codecs"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("rtsp://127.0.0.1:{}/live", port.trim()) }
    }

    fn send(&mut self, codec: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "codec 0 {codec}").unwrap();
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_codec_changes_in_mid_session_is_told_as_silent_and_comes_back_by_itself() {
    let more = "[live]\nnetworks = [\"127.0.0.0/8\"]\npicture_seconds = 10\nsilence_seconds = 10\n";
    let mut deployed = Deployed::configured(more, async |_: &deployment::Home| {}).await;
    deployed.add_cameras().await;
    let mut camera = Changing::start();
    set_source(&deployed, &camera.url).await;
    let before = until(&deployed, "live", |c| c.state() == v1::CameraState::Live).await;
    assert_eq!((before.losses, before.reason.as_str()), (0, ""));
    camera.send("h265");
    until(&deployed, "stalled", |c| c.state() == v1::CameraState::Stalled).await;
    let lost = until(&deployed, "lost", |c| c.state() == v1::CameraState::Offline).await;
    assert!(lost.reason.contains("no picture for") && lost.retry_in.is_some(), "{lost:?}");
    let back = until(&deployed, "live again", |c| c.state() == v1::CameraState::Live && c.fps > 0.0).await;
    assert_eq!(back.losses, 1);
    deployed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_or_an_operator_says_where_a_stream_is() {
    let deployed = Deployed::with_cameras().await;
    let mut cameras = CameraServiceClient::new(deployed.channel("operator").await);
    cameras.add_agency(v1::AddAgencyRequest { id: "other".into(), title: String::new() }).await.unwrap();
    let theirs = v1::AddCameraRequest { id: "theirs".into(), agency_id: "other".into(), ..Default::default() };
    cameras.add_camera(theirs).await.unwrap();
    let set =
        |camera: &str, url: &str| v1::SetCameraSourceRequest { camera_id: camera.into(), url: url.into(), ..Default::default() };

    let mut owner = LiveServiceClient::new(deployed.channel("camera-owner").await);
    let denied = owner.set_camera_source(set("theirs", "rtsp://127.0.0.1:9/live")).await.unwrap_err();
    assert_eq!(told(&denied), (Code::PermissionDenied, "not_yours".to_owned()));
    let mut investigator = LiveServiceClient::new(deployed.channel("investigator").await);
    let denied = investigator.camera_status(v1::CameraStatusRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let unknown = owner.set_camera_source(set("nowhere", "rtsp://127.0.0.1:9/live")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    for bad in ["http://x/y", "rtsp://", "s3cret"] {
        let refused = owner.set_camera_source(set("gate", bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(!refused.message().contains("s3cret"));
    }
}

/// A camera that answers every request with what it is given, and remembers what it was told.
async fn fake(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (u16, Arc<Mutex<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, told) = (listener.local_addr().unwrap().port(), Arc::<Mutex<String>>::default());
    let (log, answer) = (told.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (log, answer) = (log.clone(), answer.clone());
            tokio::spawn(async move {
                let mut read = vec![0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut read).await {
                    // GStreamer's requests are small and come one at a time.
                    let request = String::from_utf8_lossy(&read[..n]).into_owned();
                    log.lock().unwrap().push_str(&request);
                    let number = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
                    let said = format!("RTSP/1.0 {}\r\nCSeq: {number}\r\n\r\n", answer(&request));
                    if stream.write_all(said.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_wants_its_password_in_the_clear_gets_it_only_once_its_owner_says_so() {
    let deployed = Deployed::with_cameras().await;
    let (port, told) = fake(|request| match request.contains("Authorization: Basic ") {
        false => "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"".into(),
        true => "404 Not Found".into(),
    })
    .await;
    let url = format!("rtsp://operator:horse@127.0.0.1:{port}/live");
    set_source(&deployed, &url).await;
    let refused = until(&deployed, "refused", |c| c.state() == v1::CameraState::Offline).await;
    assert!(refused.reason.contains("--basic-without-tls") && !refused.reason.contains("horse"), "{refused:?}");
    assert!(!told.lock().unwrap().contains("Authorization"));

    let mut live = LiveServiceClient::new(deployed.channel("camera-owner").await);
    let set = |url: &str| v1::SetCameraSourceRequest {
        camera_id: "gate".into(),
        url: url.into(),
        basic_without_tls: true,
        ..Default::default()
    };
    let without = live.set_camera_source(set(&format!("rtsp://127.0.0.1:{port}/live"))).await.unwrap_err();
    assert_eq!(without.code(), Code::InvalidArgument);
    live.set_camera_source(set(&url)).await.unwrap();
    until(&deployed, "shown the password", |c| c.reason.contains("nothing at this path")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_refuses_its_password_twice_is_left_alone_until_its_address_is_given_again() {
    let deployed = Deployed::with_cameras().await;
    let (port, told) = fake(|_| "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\"".into()).await;
    let url = format!("rtsp://operator:horse@127.0.0.1:{port}/live");
    let shown = || told.lock().unwrap().matches("Authorization: ").count();
    set_source(&deployed, &url).await;
    let alone = until(&deployed, "left alone", |c| c.retry_in.as_ref().is_some_and(|d| d.seconds > 3000)).await;
    assert!(alone.reason.contains("left alone for an hour") && !alone.reason.contains("horse"), "{alone:?}");
    assert_eq!(shown(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(shown(), 2);
    // By a person, with the same password.
    set_source(&deployed, &url).await;
    until(&deployed, "tried again", |_| shown() > 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_ends_at_the_status_and_the_password_stays() {
    let deployed = Deployed::with_cameras().await;
    let (to, told) = fake(|_| "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\"".into()).await;
    let (port, _) = fake(move |_| format!("302 Moved\r\nLocation: rtsp://127.0.0.1:{to}/live")).await;
    set_source(&deployed, &format!("rtsp://operator:horse@127.0.0.1:{port}/live")).await;
    let refused = until(&deployed, "refused", |c| c.state() == v1::CameraState::Offline).await;
    assert!(refused.reason.contains(&format!("127.0.0.1:{to}")) && !refused.reason.contains("horse"), "{refused:?}");
    assert_eq!(*told.lock().unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_parameter_of_an_address_is_in_the_catalogue_or_told_anybody() {
    let deployed = Deployed::with_cameras().await;
    let (port, told) = fake(|_| "404 Not Found".into()).await;
    set_source(&deployed, &format!("rtsp://127.0.0.1:{port}/live?channel=s3cret-one&s3cret-two")).await;
    let status = until(&deployed, "asked", |c| c.reason.contains("nothing at this path")).await;
    assert!(!format!("{status:?}").contains("s3cret"));
    // The camera itself is asked as it was said.
    assert!(told.lock().unwrap().contains("/live?channel=s3cret-one&s3cret-two RTSP/1.0"), "{told:?}");
    let mut found = Vec::new();
    let mut folders = vec![deployed.home.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(6).any(|six| six == b"s3cret")) {
                found.push(path);
            }
        }
    }
    assert_eq!(found, [deployed.home.root().join("secrets/cameras/gate.url")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_outside_the_networks_is_refused_when_its_address_is_given() {
    for networks in ["", "networks = [\"10.0.0.0/8\", \"0.0.0.0/0\"]\n"] {
        let more = format!("[live]\n{networks}");
        let deployed = Deployed::configured(&more, async |_: &deployment::Home| {}).await;
        deployed.add_cameras().await;
        let mut live = LiveServiceClient::new(deployed.channel("operator").await);
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"] {
            let url = format!("rtsp://{host}:9/live");
            let request = v1::SetCameraSourceRequest { camera_id: "gate".into(), url, ..Default::default() };
            let refused = live.set_camera_source(request).await.unwrap_err();
            assert_eq!(told(&refused), (Code::InvalidArgument, "source".to_owned()), "{host}");
            assert!(proto::hint(&refused).unwrap_or_default().contains("[live] networks"), "{refused:?}");
        }
    }
}
