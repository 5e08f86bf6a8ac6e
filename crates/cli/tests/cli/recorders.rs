//! Recorders: what they hold is looked at where it lies, and comes out as if it had been a file.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::{
    deployment::{Deployment, footage, spoken},
    onvif_device::{Device, Held, PASSWORD, Quirks, USER},
};

const START: &str = "2026-03-01T08:00:00Z";

fn at(seconds: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn program() -> Command {
    // Examples are built with the tests, beside their folder.
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.ancestors().nth(2).unwrap().join("examples/recorder");
    assert!(program.exists(), "{} is not there: cargo build --workspace --examples", program.display());
    Command::new(program)
}

/// What plays the recordings, in a process of its own.
struct Player {
    process: Child,
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Player {
    fn start(file: &Path, port: u16) -> Self {
        let mut process =
            program().args([file.to_str().unwrap(), START, &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = said.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line)));
        Self { process, port, said }
    }

    /// The most connections that were open at once.
    fn at_once(&self) -> i32 {
        let count = |(now, most): (i32, i32), line: &String| match line.as_str() {
            "OPEN" => (now + 1, most.max(now + 1)),
            "CLOSE" => (now - 1, most),
            _ => (now, most),
        };
        self.said.lock().unwrap().iter().fold((0, 0), count).1
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The clip with three gaps, of 20 minutes in all.
fn with_gaps(folder: &Path) -> Option<PathBuf> {
    let clip = footage("intel_ccby/one-by-one-person-detection.mp4")?;
    let out = folder.join("recording.mkv");
    let status = program()
        .args(["gaps", clip.to_str().unwrap(), out.to_str().unwrap()])
        .args(["4", "400", "8", "30", "12", "700", "20", "0"])
        .status()
        .unwrap();
    assert!(status.success());
    Some(out)
}

/// Standard input, then what `--json` says.
fn told(deployment: &Deployment, words: &[&str], input: &str) -> Value {
    let mut command = deployment.command(&[words, &["--json"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (code, out, err) = spoken(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{words:?}: {out} {err}; server: {}", deployment.log());
    serde_json::from_str(&out).unwrap()
}

fn deployment() -> Deployment {
    let mut deployment = Deployment::new();
    let config = deployment.home().join("sightline.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("segment_seconds = 300", "segment_seconds = 60").replacen("workers = 0", "workers = 2", 1);
    fs::write(config, text).unwrap();
    deployment.serve();
    deployment.furnish(&["filed", "pulled"]);
    deployment
}

/// A recorder that says what the player plays, known to the server, with a camera.
fn recorder(deployment: &Deployment, player: &Player, length: i64) -> Device {
    named_recorder(deployment, "nvr-1", "pulled", player, length)
}

fn named_recorder(deployment: &Deployment, name: &str, camera: &str, player: &Player, length: i64) -> Device {
    let gaps = vec![(at(8), at(408)), (at(412), at(442))];
    let held = |token: &str| Held { token: token.into(), from: at(0), to: at(length), gaps: gaps.clone() };
    let device = Device::start(Quirks {
        recordings: vec![held("rec-1"), held("rec-2")],
        // The server connects where the recorder was given, whatever it says.
        replay: format!("rtsp://admin:x@10.0.0.1:{}/replay", player.port),
        ahead: TimeDelta::seconds(7),
        ..Quirks::default()
    });
    let add = ["recorder", "add", name, "--agency", "transit", "--onvif", &device.host(), "--user", USER, "--password-stdin"];
    let added = told(deployment, &add, &format!("{PASSWORD}\n"));
    assert_eq!((added["recordings"].as_u64(), added["device"]["model"].as_str()), (Some(2), Some("Q1")), "{added}");
    told(deployment, &["recorder", "map", name, "rec-1", camera], "");
    device
}

/// What was seen, but for what is another each time: whose it is, and of which footage.
fn seen(deployment: &Deployment, case: &str, camera: &str) -> Vec<Value> {
    let window = ["--from", "2026-03-01T07:00:00Z", "--to", "2026-03-01T10:00:00Z"];
    deployment.open_case(case, &[&["--camera", camera][..], &window].concat());
    deployment.authorise(case);
    let mut all = BTreeMap::new();
    for class in ["person", "car", "truck", "bicycle"] {
        for hit in deployment.json(&["search", "--case", case, "--class", class, "--limit", "500"])["hits"].as_array().unwrap() {
            let mut hit = hit.clone();
            let id = hit["sighting"].as_str().unwrap().to_owned();
            for own in ["sighting", "camera", "place", "footage_sha256", "rank", "group", "uncertainty_s", "time_source"] {
                hit.as_object_mut().unwrap().remove(own);
            }
            let order = (hit["first"].to_string(), hit["last"].to_string(), hit["class"].to_string());
            assert!(all.insert((order, id), hit).is_none(), "a sighting came twice");
        }
    }
    all.into_values().collect()
}

fn pull(deployment: &Deployment, to: i64, more: &[&str]) -> Value {
    let to = written(at(to));
    let add = ["archive", "add", "--recorder", "nvr-1", "--camera", "pulled", "--from", START, "--to", &to, "--sample-fps", "2"];
    deployment.json(&[&add[..], more].concat())
}

fn done(deployment: &Deployment, job: &str) -> Value {
    // As long as it takes on a busy machine.
    let until = Instant::now() + Duration::from_secs(1800);
    loop {
        let last = deployment.json(&["archive", "status", job]);
        assert_ne!(last["state"], "failed", "{last}");
        if last["state"] == "done" {
            return last;
        }
        assert!(Instant::now() < until, "{last}; server: {}", deployment.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The file's own sightings, and how long it is.
fn filed(deployment: &Deployment, file: &Path) -> (Vec<Value>, i64) {
    let add = ["archive", "add", file.to_str().unwrap(), "--camera", "filed", "--start", START, "--sample-fps", "2", "--wait"];
    let job = deployment.json(&add)["jobs"][0].clone();
    assert_eq!(job["state"], "done", "{job}");
    (seen(deployment, "filed", "filed"), job["total_s"].as_f64().unwrap().ceil() as i64)
}

#[test]
fn a_recording_with_gaps_gives_the_sightings_of_its_file_at_their_true_times_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(file) = with_gaps(folder.path()) else { return };
    let player = Player::start(&file, 0);
    let deployment = deployment();
    let (wanted, length) = filed(&deployment, &file);
    assert!(!wanted.is_empty() && length > 1_100, "{length} {wanted:?}");
    let device = recorder(&deployment, &player, length);
    let added = pull(&deployment, length, &["--wait"]);
    let job = &added["jobs"][0];
    assert_eq!(
        (job["state"].as_str(), job["recorder"].as_str(), job["path"].as_str()),
        (Some("done"), Some("nvr-1"), Some("rec-1"))
    );
    assert_eq!(seen(&deployment, "pulled", "pulled"), wanted);
    // The recorder's clock is 7 s off now, so nobody knows it better then.
    let uncertainty = job["start_uncertainty_s"].as_f64().unwrap();
    assert!((7.0..12.0).contains(&uncertainty), "{job}");
    let digest = job["footage_sha256"].as_str().unwrap();
    assert!(digest.starts_with("6f6e766966726563"), "the digest says that it is of no file: {digest}");
    let gaps = job["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    let seconds = |of: &Value| (of.as_str().unwrap().parse::<DateTime<Utc>>().unwrap() - at(0)).num_seconds();
    let lengths: Vec<i64> = gaps.iter().map(|gap| seconds(&gap["to"]) - seconds(&gap["from"])).collect();
    for (length, want) in lengths.iter().zip([400, 30, 700]) {
        assert!((length - want).abs() <= 3, "{gaps:?}");
    }
    // Again, and a part of it: nothing is looked at twice.
    let again = pull(&deployment, length, &[]);
    assert_eq!((again["jobs"][0]["existed"].as_bool(), &again["jobs"][0]["id"]), (Some(true), &job["id"]));
    let part = deployment.refused(&[
        "archive",
        "add",
        "--recorder",
        "nvr-1",
        "--from",
        "2026-03-01T08:10:00Z",
        "--to",
        "2026-03-01T08:12:00Z",
    ]);
    assert_eq!(part["reason"], "footage_exists", "{part}");
    let check = deployment.json(&["check"]);
    assert_eq!(check["clean"], true, "{check}");
    assert_eq!(player.at_once(), 1, "one session a recorder unless told");
    for asked in device.asked() {
        assert!(asked.contains("<c:Get") || asked.contains("<c:Find"), "{asked}");
    }
}

/// `SIGHTLINE_KILLS=20` for the long version.
#[test]
fn kills_of_the_server_and_of_the_recorder_lose_no_sighting_and_bring_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(file) = with_gaps(folder.path()) else { return };
    let kills: u64 = std::env::var("SIGHTLINE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let mut player = Player::start(&file, 0);
    let mut deployment = deployment();
    let (wanted, length) = filed(&deployment, &file);
    let _device = recorder(&deployment, &player, length);
    let job = pull(&deployment, length, &[])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    for kill in 0..kills {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from(random >> 16) % (1500 + 300 * kill)));
        if kill.is_multiple_of(2) {
            let port = player.port;
            drop(player);
            player = Player::start(&file, port);
        } else {
            deployment.kill();
            deployment.serve();
        }
    }
    done(&deployment, &job);
    assert_eq!(seen(&deployment, "pulled", "pulled"), wanted);
    let check = deployment.json(&["check"]);
    assert_eq!(check["clean"], true, "{check}");
}

/// Its jobs wait and say why; those of others are done meanwhile; and it is asked again once it is there.
#[test]
fn a_recorder_that_is_away_holds_up_its_own_jobs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clip) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    let file = folder.path().join("recording.mkv");
    let made = program().args(["gaps", clip.to_str().unwrap(), file.to_str().unwrap(), "20", "0"]).status().unwrap();
    assert!(made.success());
    let (away, there) = (Player::start(&file, 0), Player::start(&file, 0));
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["near", "far"]);
    let _devices = [("nvr-1", "near", &away), ("nvr-2", "far", &there)]
        .map(|(name, camera, player)| named_recorder(&deployment, name, camera, player, 20));
    let port = away.port;
    drop(away);
    let pull = |name: &str| {
        let add = ["archive", "add", "--recorder", name, "--from", START, "--to", "2026-03-01T08:00:20Z", "--sample-fps", "1"];
        deployment.json(&add)["jobs"][0]["id"].as_str().unwrap().to_owned()
    };
    let (waits, goes) = (pull("nvr-1"), pull("nvr-2"));
    done(&deployment, &goes);
    let mut last = Value::Null;
    deployment.wait_for("a reason", || {
        last = deployment.json(&["archive", "status", &waits]);
        assert_ne!(last["state"], "done", "of a recorder that is away: {last}");
        assert_ne!(last["state"], "failed", "it is asked again: {last}");
        last["state"] == "queued" && last["error"].is_string()
    });
    let why = last["error"].as_str().unwrap();
    assert!(why.contains("nothing answers there") && !why.contains("horse"), "{last}");
    let _again = Player::start(&file, port);
    done(&deployment, &waits);
}

#[test]
fn a_recorder_is_added_asked_mapped_and_removed_and_its_password_is_nowhere_else() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["quay"]);
    deployment.json(&["agency", "add", "harbour"]);
    deployment.json(&["camera", "add", "theirs", "--agency", "harbour"]);
    let held = Held { token: "rec-1".into(), from: at(0), to: at(3600), gaps: vec![(at(60), at(120))] };
    let device = Device::start(Quirks { recordings: vec![held], ..Quirks::default() });
    let host = device.host();
    let add = ["recorder", "add", "nvr-1", "--agency", "transit", "--onvif", &host, "--user", USER, "--password-stdin"];
    told(&deployment, &add, &format!("{PASSWORD}\n"));
    let secrets = deployment.home().join("secrets/recorders/nvr-1.login");
    assert!(fs::read_to_string(&secrets).unwrap().contains(PASSWORD));
    let listed = deployment.json(&["recorder", "list"]);
    assert_eq!(listed["recorders"][0]["sessions"], 1, "{listed}");
    let asked = ["recorder", "recordings", "nvr-1", "--from", START, "--to", "2026-03-01T09:00:00Z"];
    let told = deployment.json(&asked);
    assert_eq!(told["recordings"][0]["gaps"][0]["from"], "2026-03-01T08:01:00Z", "{told}");
    let text = deployment.human(&asked);
    for want in ["Quay rec-1, East & West", "2026-03-01T08:01:00Z to 2026-03-01T08:02:00Z", "sightline recorder map"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    let other = deployment.refused(&["recorder", "map", "nvr-1", "rec-1", "theirs"]);
    assert_eq!(other["reason"], "agency", "{other}");
    let none = deployment.refused(&["archive", "add", "--recorder", "nvr-1", "--from", START, "--to", "2026-03-01T09:00:00Z"]);
    assert_eq!(none["reason"], "no_map", "{none}");
    deployment.json(&["recorder", "map", "nvr-1", "rec-1", "quay"]);
    let later = ["archive", "add", "--recorder", "nvr-1", "--from", "2026-03-02T09:00:00Z", "--to", "2026-03-02T10:00:00Z"];
    assert_eq!(deployment.refused(&later)["reason"], "nothing_recorded");
    let camera = Device::start(Quirks::default());
    let (mut words, host) = (add, camera.host());
    (words[2], words[6]) = ("nvr-2", &host);
    let mut command = deployment.command(&[&words[..], &["--json"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let (code, out, err) = spoken(&child.wait_with_output().unwrap());
    assert!(code != 0 && format!("{out}{err}").contains("no_recorder"), "a camera is no recorder: {out} {err}");
    deployment.json(&["recorder", "remove", "nvr-1"]);
    assert!(!secrets.exists());
    assert_eq!(deployment.refused(&["recorder", "recordings", "nvr-1"])["reason"], "unknown_recorder");
    for asked in device.asked() {
        assert!(!asked.contains("horse"), "{asked}");
    }
    assert!(!deployment.log().contains("horse"));
}
