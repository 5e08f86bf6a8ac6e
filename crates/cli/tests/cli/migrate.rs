//! An embedded deployment moves to PostgreSQL and a bucket, is killed on the way, and is the same afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    bucket, cluster,
    deployment::{Deployment, binary, footage, spoken},
};

/// Every file under a folder that was there before anybody looked, with its bytes.
fn files(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, all);
        } else {
            all.insert(entry.clone(), fs::read(&entry).unwrap());
        }
    }
}

/// What a search found, without what differs from one search to the next.
fn hits(answer: &Value) -> Vec<(String, String)> {
    let hits = answer["hits"].as_array().unwrap();
    hits.iter().map(|h| (h["sighting"].to_string(), h["score"].to_string())).collect()
}

#[test]
fn a_deployment_that_moved_through_kill_9_answers_as_before_and_its_receipts_still_hold() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let clip = clip.canonicalize().unwrap();
    let Some(database) = cluster::database(&format!("migrate_{}", std::process::id())) else {
        eprintln!("SKIPPED: migrate: PostgreSQL is not installed (apt-get install postgresql)");
        return;
    };
    let mut old = Deployment::new();
    old.serve();
    old.furnish(&["hall"]);
    old.json(&["archive", "add", clip.to_str().unwrap(), "--camera", "hall", "--start", "2026-03-01T09:30:00Z", "--wait"]);
    old.open_case("k", &["--agency", "transit", "--from", "2026-03-01T09:00:00Z", "--to", "2026-03-01T10:00:00Z"]);
    old.authorise("k");
    let before = hits(&old.json(&["search", "--case", "k", "--class", "person", "--limit", "50"]));
    assert!(!before.is_empty());
    let receipt = old.path("receipt");
    old.json(&["--as", "auditor", "log", "receipt", "3", "--out", receipt.to_str().unwrap()]);

    // The target: a folder with a configuration.
    let new = old.beside();
    fs::remove_dir_all(new.home().join("pki")).unwrap();
    let root = new.path("s3");
    fs::create_dir_all(root.join("crops")).unwrap();
    let endpoint = bucket::endpoint(&root);
    new.configure(&format!(
        "[database]\nurl = \"{database}\"\n[crops]\nurl = \"s3://crops/north\"\nendpoint = \"{endpoint}\"\ncredentials = \"s3\"\n"
    ));
    let credentials = format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", bucket::KEY, bucket::SECRET);
    fs::write(new.home().join("s3"), credentials).unwrap();
    let config = new.home().join("sightline.toml");
    let source_home = old.home();
    let migrate = || {
        let mut command = binary();
        command.args(["--json", "migrate", "--from"]).arg(&source_home).arg("--to").arg(&config);
        command
    };
    let refused = |why: &str| {
        let (code, out, err) = spoken(&migrate().output().unwrap());
        assert!(code != 0 && err.contains(why), "{out}{err}");
    };
    refused("another sightline process");
    old.terminate();
    let mut source = BTreeMap::new();
    files(&old.home(), &mut source);

    // Killed ever later, until it has got through.
    let (mut kills, mut wait) = (0, Duration::from_millis(20));
    let moved = loop {
        let mut child = migrate().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < wait && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            break spoken(&output).1;
        }
        assert!(output.status.code().is_none(), "{:?}", spoken(&output));
        wait += wait / 4;
    };
    eprintln!("through after {kills} kills");
    assert!(kills > 3, "it was never cut off");
    let moved: Value = serde_json::from_str(&moved).unwrap();
    let sightings = moved["tables"].as_array().unwrap().iter().find(|t| t["table"] == "sighting").unwrap();
    assert_eq!(sightings["rows"], moved["crops"]);
    assert!(moved["crops"].as_u64().unwrap() > 0 && moved["entries"].as_u64().unwrap() > 3, "{moved}");
    let untouched = source.iter().all(|(path, bytes)| fs::read(path).is_ok_and(|now| now == *bytes) || path.ends_with("lock"));
    assert!(untouched, "the source was changed");
    // It is there now, whole: the same move says so again, and another one is refused.
    let again = spoken(&migrate().output().unwrap());
    assert_eq!(again.0, 0, "{again:?}");
    let mut again: Value = serde_json::from_str(&again.1).unwrap();
    assert_eq!(again["finished_before"], true);
    again["finished_before"] = moved["finished_before"].clone();
    assert_eq!(again, moved);

    let mut new = new;
    new.serve();
    let after = hits(&new.json(&["search", "--case", "k", "--class", "person", "--limit", "50"]));
    assert_eq!(after, before);
    assert_eq!(new.json(&["check"])["clean"], true);
    new.json(&["verify", receipt.to_str().unwrap()]);
    new.json(&["log", "verify"]);
    new.terminate();

    // The source went on by itself: what it is now was never moved.
    old.serve();
    old.json(&["camera", "add", "yard", "--agency", "transit", "--title", "Yard"]);
    old.terminate();
    refused("the target is not empty");
    cluster::drop_database(&database);
}
