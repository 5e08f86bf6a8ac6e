//! The record from the outside: receipts without a server, a log that survives `kill -9`, a witness of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::Value;

use crate::deployment::{Deployment, binary, spoken};

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

#[test]
fn a_receipt_is_verified_without_server_home_or_network_and_a_changed_one_is_not() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall"]);
    deployment.open_case("k1", &SCOPE);
    deployment.authorise("k1");
    let receipt = deployment.path("receipt.txt");
    let file = receipt.to_str().unwrap();
    deployment.json(&["search", "--case", "k1", "--class", "person", "--receipt", file]);
    let listed = deployment.json(&["log", "list"]);
    let search = listed["entries"].as_array().unwrap().iter().find(|e| e["action"] == "search").unwrap().clone();
    deployment.kill();

    let key = fs::read_to_string(deployment.home().join("pki/log.pub")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let verify = |file: &std::path::Path, key: &str| {
        let words = ["--json", "verify", file.to_str().unwrap(), "--log-key", key];
        let home = elsewhere.path().join("none");
        spoken(&binary().args(words).env("SIGHTLINE_HOME", home).output().unwrap())
    };
    let (code, out, err) = verify(&receipt, key.trim());
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["entry"], &answer["content"]), (&search["entry"], &search["canonical"]));
    assert_eq!(answer["content"]["case"], "k1");

    let text = fs::read_to_string(&receipt).unwrap();
    for (from, to) in [("\nindex ", "\nindex 1"), ("extra ey", "extra ez"), ("\nsightline.", "\nsightlime.")] {
        assert!(text.contains(from), "{text}");
        let forged = deployment.path("forged.txt");
        fs::write(&forged, text.replacen(from, to, 1)).unwrap();
        let (code, out, err) = verify(&forged, key.trim());
        assert_eq!((code, out.as_str()), (1, ""), "{from:?}: {err}");
    }
    let other = Deployment::new();
    let stranger = fs::read_to_string(other.home().join("pki/log.pub")).unwrap();
    assert_eq!(verify(&receipt, stranger.trim()).0, 1);
}

#[test]
fn a_server_killed_at_any_moment_leaves_a_log_that_verifies_and_goes_on() {
    let mut deployment = Deployment::new();
    let mut entries = 0;
    let mut older: Option<std::path::PathBuf> = None;
    for round in 0..6u64 {
        deployment.serve();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            let _ = deployment.command(&["camera", "list"]).output();
                        }
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(400 + round * 230));
            deployment.kill_9();
            done.store(true, Ordering::Relaxed);
            callers.into_iter().for_each(|c| c.join().unwrap());
        });
        deployment.reap();
        // As it lies there, before anybody puts anything in order.
        let left = deployment.json(&["log", "verify"]);
        assert!(left["entries"].as_u64().unwrap() >= entries, "{left}");
        deployment.serve();
        assert_eq!(deployment.json(&["check"])["clean"], true);
        deployment.kill();
        let now = deployment.json(&["log", "verify"]);
        entries = now["entries"].as_u64().unwrap();
        let checkpoint = deployment.path(&format!("checkpoint-{round}"));
        fs::copy(deployment.home().join("log/checkpoint"), &checkpoint).unwrap();
        if let Some(older) = older.replace(checkpoint.clone()) {
            let words = ["log", "verify", "--from", older.to_str().unwrap(), "--to", checkpoint.to_str().unwrap()];
            deployment.json(&words);
            deployment.refused(&["log", "verify", "--from", words[5], "--to", words[3]]);
        }
    }
    assert!(entries > 30, "{entries}");
    // One byte of one tile.
    let tile = deployment.home().join("log/tile/0/000.p");
    let newest =
        fs::read_dir(&tile).map(|d| d.map(|e| e.unwrap().path()).max_by_key(|p| fs::metadata(p).unwrap().len()).unwrap());
    let file = newest.unwrap_or_else(|_| deployment.home().join("log/tile/0/000"));
    let mut bytes = fs::read(&file).unwrap();
    bytes[7] ^= 1;
    fs::write(&file, bytes).unwrap();
    deployment.refused(&["log", "verify"]);
}

#[test]
fn a_witness_of_its_own_cosigns_what_the_server_shows_it() {
    let mut deployment = Deployment::new();
    let log_key = deployment.home().join("pki/log.pub");
    let key = deployment.path("witness.key");
    let mut witness = binary()
        .args(["--json", "witness", "--listen", "127.0.0.1:0", "--name", "witness.example", "--key"])
        .arg(&key)
        .arg("--log-key")
        .arg(&log_key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(witness.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let (key, address) = (said["key"].as_str().unwrap(), said["listening"].as_str().unwrap());
    let config = deployment.home().join("sightline.toml");
    let text = fs::read_to_string(&config).unwrap();
    let with = format!("witnesses = [{{ key = \"{key}\", url = \"http://{address}\" }}]\nquorum = 1");
    let text = text.replace("witnesses = []", &with).replace("\nquorum = 0", "").replace("127.0.0.1:7443", "127.0.0.1:0");
    fs::write(&config, text).unwrap();
    deployment.serve();
    let receipt = deployment.path("receipt.txt");
    let file = receipt.to_str().unwrap();
    deployment.json(&["log", "receipt", "1", "--out", file, "--as", "auditor"]);
    let verified = deployment.json(&["verify", file, "--witness-key", key]);
    assert_eq!(verified["witnessed"][0], "witness.example", "{verified}");
    witness.kill().unwrap();
    witness.wait().unwrap();
}
