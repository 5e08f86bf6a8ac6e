//! A deployment in a folder of its own, with the real binary in front of and behind the socket.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sightline"));
    // A developer's own deployment stays out of the tests.
    command.env_remove("SIGHTLINE_HOME").env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
pub(crate) fn spoken(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

pub(crate) struct Deployment {
    dir: TempDir,
    server: Option<Child>,
    address: String,
    /// Whose certificates the server believes, besides its callers'; `None`: the system's.
    believed: Option<PathBuf>,
}

impl Deployment {
    /// `init`, no server yet.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let this = Self { dir, server: None, address: String::new(), believed: None };
        this.json(&["init", "--demo"]);
        let config = this.home().join("sightline.toml");
        let text = fs::read_to_string(&config).unwrap();
        let moved = text.replace("\"127.0.0.1:7443\"", "\"127.0.0.1:0\"");
        assert_ne!(text, moved, "the configuration has another default address");
        // The tests' cameras are on this machine.
        let here = moved.replace("networks = []", "networks = [\"127.0.0.0/8\"]");
        assert_ne!(here, moved, "the configuration has other default networks");
        fs::write(config, here).unwrap();
        this
    }

    /// More in the configuration, instead of what it has of the same sections.
    pub(crate) fn configure(&self, more: &str) {
        fs::write(self.home().join("sightline.toml"), format!("[server]\nlisten = \"127.0.0.1:0\"\n{more}")).unwrap();
    }

    /// A second server of the same deployment, in a home folder of its own.
    pub(crate) fn beside(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let this = Self { dir, server: None, address: String::new(), believed: None };
        fs::DirBuilder::new().mode(0o700).create(this.home()).unwrap();
        fs::copy(self.home().join("sightline.toml"), this.home().join("sightline.toml")).unwrap();
        copy(&self.home().join("pki"), &this.home().join("pki"));
        this
    }

    /// The server is to believe the stores it calls by this authority, from its next start on.
    pub(crate) fn believe(&mut self, authority: PathBuf) {
        self.believed = Some(authority);
    }

    /// Commands call this address: a balancer's.
    pub(crate) fn call(&mut self, address: String) {
        self.address = address;
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// A server that ends by itself fails the test, with what it said last.
    pub(crate) fn must_run(&mut self) {
        if let Some(ended) = self.server.as_mut().and_then(|server| server.try_wait().unwrap()) {
            let log = self.log();
            let from = log.len().saturating_sub(20_000);
            panic!("a server ended by itself: {ended}\n{}", String::from_utf8_lossy(&log.as_bytes()[from..]));
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As if an auditor of this name had been given a certificate that ended so many days ago.
    pub(crate) fn note_ended(&self, name: &str, days: u64) {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - days * 86_400;
        let uri = format!("sightline://oversight/auditor/{name}");
        let line = serde_json::json!({ "serial": hex::encode(name), "uri": uri, "expires": expires });
        let register = self.home().join("pki/issued.jsonl");
        let text = fs::read_to_string(&register).unwrap();
        fs::write(register, format!("{text}{line}\n")).unwrap();
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn serve(&mut self) {
        self.serve_by(binary());
    }

    /// As [`Self::serve`], on these processor cores alone.
    pub(crate) fn serve_on(&mut self, cores: &str) {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores, env!("CARGO_BIN_EXE_sightline")]).env_remove("RUST_LOG").stdin(Stdio::null());
        self.serve_by(command);
    }

    /// As [`Self::serve`], by another command that starts the program.
    pub(crate) fn serve_under(&mut self, command: Command) {
        self.serve_by(command);
    }

    fn serve_by(&mut self, mut command: Command) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("server.log")).unwrap();
        command.args(["--json", "serve", "--home"]).arg(self.home());
        if let Some(authority) = &self.believed {
            command.env("SSL_CERT_FILE", authority);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server did not start: {}", self.log()));
        self.address = ready["listening"].as_str().unwrap().to_owned();
        self.server = Some(child);
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// SIGKILL: no chance to put anything in order.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub(crate) fn terminate(&mut self) {
        let mut server = self.server.take().unwrap();
        assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
        assert!(server.wait().unwrap().success(), "{}", self.log());
    }

    /// SIGKILL while others use this; [`Self::reap`] afterwards.
    pub(crate) fn kill_9(&self) {
        let id = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    }

    pub(crate) fn process(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn reap(&mut self) {
        self.server.take().unwrap().wait().unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = binary();
        command.arg("--home").arg(self.home());
        if !self.address.is_empty() {
            command.args(["--server", &self.address]);
        }
        command.args(words);
        command
    }

    /// What it answers, which must be success and one line of JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let (code, out, err) = spoken(&self.command(words).arg("--json").output().unwrap());
        assert_eq!(code, 0, "sightline {}\n{out}\n{err}\nserver: {}", words.join(" "), self.log());
        assert_eq!(out.lines().count(), 1, "{out}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }

    /// The error, which must be one line of JSON on stderr, with nothing on stdout but the answer there may be.
    pub(crate) fn refused(&self, words: &[&str]) -> Value {
        let (code, out, err) = spoken(&self.command(words).arg("--json").output().unwrap());
        assert_ne!(code, 0, "sightline {} was not refused: {out}", words.join(" "));
        let error: Value = serde_json::from_str(err.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {err}"));
        assert!(error["error"].as_str().is_some_and(|e| !e.is_empty()), "{error}");
        assert!(error["hint"].as_str().is_some_and(|h| !h.is_empty()), "no hint: {error}");
        error
    }

    pub(crate) fn human(&self, words: &[&str]) -> String {
        let (code, out, err) = spoken(&self.command(words).output().unwrap());
        assert_eq!(code, 0, "sightline {}\n{out}\n{err}\nserver: {}", words.join(" "), self.log());
        out
    }

    /// One agency, cameras of these names, and an authorised case over all of it.
    pub(crate) fn furnish(&self, cameras: &[&str]) {
        self.json(&["agency", "add", "transit", "--title", "Transit"]);
        for camera in cameras {
            self.json(&["camera", "add", camera, "--agency", "transit", "--title", &format!("place of {camera}")]);
        }
    }

    pub(crate) fn open_case(&self, id: &str, words: &[&str]) -> Value {
        let mut all = vec!["case", "open", "--id", id, "--purpose", "missing-person"];
        all.extend(["--legal-basis", "test order 1", "--reason", "a test of the whole path"]);
        all.extend(words);
        self.json(&all)
    }

    pub(crate) fn authorise(&self, id: &str) -> Value {
        self.json(&["case", "authorise", id, "--yes"])
    }

    pub(crate) fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(600), "{what} did not happen; server: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}

/// A clip of the test footage; `None`, loudly, where there is none.
pub(crate) fn footage(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGHTLINE_FOOTAGE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/footage"), PathBuf::from);
    let file = root.join(name);
    if file.is_file() {
        return Some(file);
    }
    eprintln!("SKIPPED: {name} is not in {}; set SIGHTLINE_FOOTAGE", root.display());
    None
}
