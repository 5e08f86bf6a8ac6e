//! Cameras in a process of their own, and what can go wrong with them.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Gone when dropped.
pub(crate) struct Cameras {
    process: Child,
    commands: ChildStdin,
    ports: Vec<u16>,
}

impl Cameras {
    /// Serves the files, again and again, from that many cameras.
    pub(crate) fn start(count: usize, files: &[&Path], times: usize) -> Self {
        // Examples are built with the tests, beside their folder.
        let tests = std::env::current_exe().unwrap();
        let program: PathBuf = tests.ancestors().nth(2).unwrap().join("examples/rtsp_cameras");
        assert!(program.exists(), "{} is not there: cargo build --workspace --examples", program.display());
        let mut command = Command::new(program);
        command.arg(count.to_string()).args(files).args(["--times", &times.to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        assert_eq!(ports.len(), count, "the cameras did not start");
        Self { commands: process.stdin.take().unwrap(), process, ports }
    }

    pub(crate) fn url(&self, camera: usize) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port(camera))
    }

    pub(crate) fn port(&self, camera: usize) -> u16 {
        self.ports[camera]
    }

    /// As the program's own documentation says: "freeze 3".
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap();
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
