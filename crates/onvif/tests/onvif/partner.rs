//! Devices of somebody else's, each a process of its own on loopback. Where a test has no such program it says so.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

pub(crate) const USER: &str = "operator";
pub(crate) const PASSWORD: &str = "horse";

/// Gone when dropped. Its streams are where it was told, at `/live`: it only names them.
pub(crate) struct Partner {
    process: Child,
    pub(crate) port: u16,
    /// It hears who asks everybody, and nobody who asks its address.
    pub(crate) by_multicast: bool,
}

const IPYCAM: &str = "
import sys
from ipycam import IPCamera, CameraConfig
from ipycam.camera import ReusableThreadingTCPServer, IPCameraHTTPHandler
from ipycam.discovery import WSDiscoveryServer
config = CameraConfig()
config.onvif_port, config.rtsp_port, config.local_ip = int(sys.argv[1]), int(sys.argv[2]), '127.0.0.1'
config.main_stream_name = config.sub_stream_name = 'live'
config.username, config.password = 'operator', 'horse'
IPCameraHTTPHandler.camera = camera = IPCamera(config)
WSDiscoveryServer(camera.onvif).start()
server = ReusableThreadingTCPServer(('127.0.0.1', config.onvif_port), IPCameraHTTPHandler)
print('ready', flush=True)
server.serve_forever()
";

impl Partner {
    /// `ipycam` of PyPI, where `SIGHTLINE_TEST_IPYCAM` names a Python that has it (`pip install
    /// ipycam`). It knows tokens alone, tells its clock to nobody without one, and has Media1.
    pub(crate) fn ipycam(streams: u16) -> Option<Self> {
        let python = named("SIGHTLINE_TEST_IPYCAM", "Python that has ipycam (pip install ipycam)")?;
        Some(Self::start(&python, &["-c", IPYCAM], streams.to_string(), false))
    }

    /// `onvif-server` of crates.io, where `SIGHTLINE_TEST_ONVIF_SERVER` names the program of
    /// `crates/onvif/tests/onvif-server`. It knows tokens alone, has Media1, and answers the multicast
    /// of the network that the default route leads to.
    pub(crate) fn onvif_server(streams: u16) -> Option<Self> {
        let program = named("SIGHTLINE_TEST_ONVIF_SERVER", "program of crates/onvif/tests/onvif-server")?;
        Some(Self::start(&program, &[], format!("rtsp://127.0.0.1:{streams}/live"), true))
    }

    fn start(program: &OsStr, words: &[&str], streams: String, by_multicast: bool) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(words).args([port.to_string(), streams]).current_dir(std::env::temp_dir());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{} did not start", program.display());
        Self { process, port, by_multicast }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn named(variable: &str, what: &str) -> Option<OsString> {
    let named = std::env::var_os(variable);
    if named.is_none() {
        eprintln!("SKIPPED: {variable} names no {what}");
    }
    named
}
