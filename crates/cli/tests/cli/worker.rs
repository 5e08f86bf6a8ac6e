//! A worker at an agency: the real binary, and a disk of its own that is soon full.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::deployment::{Deployment, binary};

/// A worker in a home folder of its own.
pub(crate) struct Worker {
    home: PathBuf,
    log: PathBuf,
    server: String,
    disk: Option<SmallDisk>,
    process: Option<Child>,
}

impl Worker {
    /// Its spool is on the small disk, if there is one.
    pub(crate) fn new(deployment: &Deployment, name: &str, server: &str, small: Option<u32>) -> Self {
        let (home, log) = (deployment.path(name), deployment.path(&format!("{name}.log")));
        let out = home.to_str().unwrap().to_owned();
        deployment.json(&["identity", "add", name, "--role", "ingest", "--agency", "transit", "--out", &out]);
        fs::write(home.join("sightline.toml"), "[live]\nworkers = 1\nnetworks = [\"127.0.0.0/8\"]\n[ingest]\nspool_mib = 64\n")
            .unwrap();
        let disk = small.and_then(|kib| SmallDisk::at(&home.join("spool"), kib));
        let mut this = Self { home, log, server: server.to_owned(), disk, process: None };
        this.start();
        this
    }

    fn command(&self) -> Command {
        let mut command = binary();
        command.arg("--json").arg("--home").arg(&self.home).args(["--server", &self.server, "--as", self.name(), "ingest"]);
        command
    }

    pub(crate) fn name(&self) -> &str {
        self.home.file_name().unwrap().to_str().unwrap()
    }

    pub(crate) fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = self.command();
        if let Some(disk) = &self.disk {
            command = disk.within(&command);
        }
        command.env("RUST_LOG", "warn,ingest=debug,pipeline=trace").stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    pub(crate) fn knows(&self, camera: &str, url: &str) {
        let out = self.command().args(["source", camera, url]).output().unwrap();
        assert!(out.status.success(), "{out:?}");
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM; how long it took.
    pub(crate) fn stop(&mut self) -> Duration {
        let began = Instant::now();
        let mut process = self.process.take().unwrap();
        assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
        assert!(process.wait().unwrap().success());
        began.elapsed()
    }

    /// Whether its disk is small.
    pub(crate) fn has_small_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// How far the server has acknowledged what is on the spool.
    pub(crate) fn acknowledged(&self) -> Option<String> {
        let spool = self.home.join("spool");
        fs::read_to_string(self.disk.as_ref().map_or(spool.clone(), |d| d.seen_from_here(&spool)).join("acknowledged")).ok()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The fields of the log's lines with this message.
    pub(crate) fn told(&self, message: &str) -> Vec<Value> {
        let line = |l: &str| serde_json::from_str::<Value>(l).ok().map(|mut l| l["fields"].take());
        self.log().lines().filter_map(line).filter(|fields| fields["message"] == message).collect()
    }

    /// Ids in the log's lines with this message.
    pub(crate) fn ids(&self, message: &str) -> BTreeSet<String> {
        self.told(message).iter().filter_map(|fields| fields["id"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn said(&self, words: &str) -> usize {
        self.log().matches(words).count()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A folder that holds only so much, in a mount namespace that ends with this: nobody need be root for it.
struct SmallDisk(Child);

impl SmallDisk {
    /// `None`, loudly, where the system does not let anybody make one.
    fn at(folder: &Path, kib: u32) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mount = r#"mount -t tmpfs -o size="$2"k tmpfs "$1" && echo ready && exec cat"#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]).arg(folder).arg(kib.to_string());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let this = Self(holder);
        if line.trim() != "ready" {
            eprintln!("SKIPPED: a full disk; this system lets nobody make a small one (unshare --user --mount)");
            return None;
        }
        Some(this)
    }

    /// The same command where the disk is.
    fn within(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.0.id().to_string(), "--user", "--mount", "--preserve-credentials", "--"]);
        inside.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    fn seen_from_here(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.0.id())).join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
