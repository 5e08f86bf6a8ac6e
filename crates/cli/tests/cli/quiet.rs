//! Nothing leaves the machine that was not configured: server, worker and commands run in a network namespace of their own that
//! has a loopback device and no way out. The kernel counts there what has no route, names asked for included.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::deployment::{binary, footage, spoken};

/// A place without a network, where whatever a program would write beside its own folders can be seen.
struct Room {
    dir: tempfile::TempDir,
    holder: Child,
}

/// Nothing lies in these at first.
const EMPTY: [&str; 2] = ["/var/tmp", "/dev/shm"];

impl Room {
    /// `None`, loudly, where the system does not let anybody make one. Nobody need be root for it.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for folder in ["user", "tmp"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let resolver = dir.path().join("resolv.conf");
        fs::write(&resolver, "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n").unwrap();
        let prepare = r#"ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift &&
            for folder in "$@"; do mount -t tmpfs tmpfs "$folder" || exit 1; done && echo ready && exec cat"#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--net", "sh", "-c", prepare, "sh"]).arg(&resolver).args(EMPTY);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let skipped = "SKIPPED: nothing leaves the machine; this system lets nobody make a network of their own (unshare --net)";
        let Ok(mut holder) = spawned else {
            eprintln!("{skipped}");
            return None;
        };
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let this = Self { dir, holder };
        if line.trim() != "ready" {
            eprintln!("{skipped}");
            return None;
        }
        Some(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The same command in here, as a user who has nothing yet.
    fn within(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.holder.id().to_string(), "--user", "--mount", "--net", "--preserve-credentials", "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        for name in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", vision::QUIET.0] {
            inside.env_remove(name);
        }
        inside
            .env("HOME", self.path("user"))
            .env("TMPDIR", self.path("tmp"))
            .env("SIGHTLINE_CACHE", vision::ModelStore::default_cache());
        inside.stdin(Stdio::null()).current_dir(self.path("tmp"));
        inside
    }

    fn sightline(&self, home: &str, words: &[&str]) -> Command {
        let mut command = binary();
        command.args(["--json", "--home"]).arg(self.path(home)).args(words);
        self.within(&command)
    }

    fn json(&self, home: &str, words: &[&str]) -> Value {
        let (code, out, err) = spoken(&self.sightline(home, words).output().unwrap());
        assert_eq!(code, 0, "sightline {}\n{out}\n{err}", words.join(" "));
        serde_json::from_str(out.lines().last().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {out}"))
    }

    /// One that goes on, once it has said its first line.
    fn begin(&self, home: &str, words: &[&str]) -> (Running, Value) {
        let log = fs::File::create(self.path(&format!("{home}.log"))).unwrap();
        let mut child = self.sightline(home, words).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log = || fs::read_to_string(self.path(&format!("{home}.log"))).unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it did not start: {}", log()));
        (Running(child), said)
    }

    fn shell(&self, words: &[&str]) -> Output {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.within(&command).output().unwrap()
    }

    /// Attempts to reach an address that is not here: IPv4 and IPv6, whatever the protocol.
    fn attempts(&self) -> u64 {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/net/{name}", self.holder.id())).unwrap();
        let v4 = read("snmp");
        let mut lines = v4.lines().filter_map(|line| line.strip_prefix("Ip:"));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let v4 = names.split_whitespace().zip(values.split_whitespace()).find(|(name, _)| *name == "OutNoRoutes").unwrap().1;
        let v6 = read("snmp6");
        let v6 = v6.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes")).map_or("0", str::trim);
        v4.parse::<u64>().unwrap() + v6.parse::<u64>().unwrap()
    }

    /// Files that lie where no program of ours has anything to do; those of GStreamer's list of its plugins are known.
    fn strays(&self) -> BTreeSet<PathBuf> {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let seen_from_here = EMPTY.map(|folder| root.join(folder.trim_start_matches('/')));
        let mut all = BTreeSet::new();
        for folder in seen_from_here.iter().chain(&[self.path("user"), self.path("tmp")]) {
            walk(folder, &mut all);
        }
        all.retain(|file| !file.starts_with(self.path("user/.cache/gstreamer-1.0")));
        all
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Ends with the test.
struct Running(Child);

impl Running {
    fn stop(mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn walk(folder: &Path, all: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), all);
        } else {
            all.insert(entry.path());
        }
    }
}

#[test]
fn server_worker_and_commands_call_no_address_but_configured_ones_and_write_nowhere_but_in_their_folders() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let Some(room) = Room::new() else { return };
    let clip = clip.canonicalize().unwrap();
    room.json("home", &["init", "--demo"]);
    fs::write(room.path("home/sightline.toml"), "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let (server, ready) = room.begin("home", &["serve"]);
    let address = ready["listening"].as_str().unwrap().to_owned();
    let ask = |words: &[&str]| room.json("home", &[&["--server", &address], words].concat());
    ask(&["agency", "add", "transit", "--title", "Transit"]);
    ask(&["camera", "add", "hall", "--agency", "transit", "--title", "Hall"]);

    // A worker, which loads the models as it starts.
    let out = room.path("worker");
    ask(&["identity", "add", "worker", "--role", "ingest", "--agency", "transit", "--out", out.to_str().unwrap()]);
    let (worker, watching) = room.begin("worker", &["--server", &address, "--as", "worker", "ingest"]);
    assert_eq!(watching["server"], address.as_str());

    // The server looks at footage, and the whole way to a hit.
    let start = "2026-03-01T08:30:00Z";
    let added = ask(&["archive", "add", clip.to_str().unwrap(), "--camera", "hall", "--start", start, "--wait"]);
    assert!(added["jobs"][0]["sightings"].as_u64().unwrap() > 0, "{added}");
    let scope = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];
    let open = ["case", "open", "--id", "k", "--purpose", "missing-person", "--legal-basis", "order 1", "--reason", "a test"];
    ask(&[&open[..], &scope].concat());
    ask(&["case", "authorise", "k", "--yes"]);
    let found = ask(&["search", "--case", "k", "--class", "person"]);
    assert!(!found["hits"].as_array().unwrap().is_empty(), "{found}");
    // A command that loads the library itself.
    room.json("home", &["models", "verify"]);
    worker.stop();
    server.stop();

    assert_eq!(room.attempts(), 0, "something called an address or asked for a name that nobody configured");
    assert_eq!(room.strays(), BTreeSet::new());

    // The measure sees what it is to see.
    room.shell(&["bash", "-c", "echo > /dev/tcp/192.0.2.1/443"]);
    let called = room.attempts();
    assert!(called > 0, "a call to an address is not seen");
    room.shell(&["getent", "hosts", "telemetry.example"]);
    assert!(room.attempts() > called, "asking for a name is not seen");
    room.shell(&["touch", "/var/tmp/stray"]);
    assert_eq!(room.strays().len(), 1);
}
