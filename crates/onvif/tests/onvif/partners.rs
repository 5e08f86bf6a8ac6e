//! A device of somebody else's: `ipycam` of PyPI, where `SIGHTLINE_TEST_IPYCAM` names a Python that has it (`pip install ipycam`). It knows
//! tokens alone, tells its clock to nobody without one, and has Media1.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use onvif::{Codec, OnvifError, Password, Probing, Surveying, discover, survey};

struct Camera(Child, u16);

const PROGRAM: &str = "
import sys
from ipycam import IPCamera, CameraConfig
from ipycam.camera import ReusableThreadingTCPServer, IPCameraHTTPHandler
from ipycam.discovery import WSDiscoveryServer
config = CameraConfig()
config.onvif_port, config.local_ip = int(sys.argv[1]), '127.0.0.1'
config.username, config.password = 'operator', 'horse'
IPCameraHTTPHandler.camera = camera = IPCamera(config)
WSDiscoveryServer(camera.onvif).start()
server = ReusableThreadingTCPServer(('127.0.0.1', config.onvif_port), IPCameraHTTPHandler)
print('ready', flush=True)
server.serve_forever()
";

impl Camera {
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("SIGHTLINE_TEST_IPYCAM") else {
            eprintln!("SKIPPED: SIGHTLINE_TEST_IPYCAM names no Python that has ipycam (pip install ipycam)");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(python);
        command.args(["-c", PROGRAM, &port.to_string()]).current_dir(std::env::temp_dir());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "ipycam did not start");
        Some(Self(child, port))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn ipycam_is_discovered_and_asked() {
    let Some(camera) = Camera::start() else { return };
    let here = |ip: std::net::IpAddr| ip.is_loopback();
    let how = Probing {
        interfaces: vec!["127.0.0.1".parse().unwrap()],
        subnets: vec!["127.0.0.1".parse().unwrap()],
        port: Probing::PORT,
        multicast: false,
        wait: Duration::from_secs(3),
        allowed: &here,
    };
    let found = discover(&how).await.unwrap();
    assert!(found.iter().any(|f| f.host == format!("127.0.0.1:{}", camera.1)), "{found:?}");

    let host = format!("127.0.0.1:{}", camera.1).parse().unwrap();
    let right = Password { user: "operator".into(), password: "horse".into() };
    let told = survey(&host, &Surveying { password: Some(&right), trust: None, profile: None, allowed: &here }).await;
    assert_eq!((told.fault.as_ref(), told.login), (None, "token"), "{told:?}");
    assert!(told.clock.is_some_and(|clock| clock.ahead.abs() <= clock.uncertainty), "{:?}", told.clock);
    assert!(told.profiles.iter().any(|p| p.codec == Codec::H264), "{:?}", told.profiles);
    assert_eq!(told.stream.as_ref().map(types::StreamUrl::host).as_deref(), Some("127.0.0.1"), "{told:?}");
    let wrong = Password { user: "operator".into(), password: "wrong".into() };
    let told = survey(&host, &Surveying { password: Some(&wrong), trust: None, profile: None, allowed: &here }).await;
    assert!(matches!(told.fault, Some(OnvifError::Refused { .. })), "{:?}", told.fault);
}
