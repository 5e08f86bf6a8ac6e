//! A home folder of an earlier version is opened by this one, and nothing of it is lost.
//!
//! `fixtures/upgrade-9a762c7.tar.xz` was made by commit 9a762c7 (whose index was Qdrant Edge) from footage of a made-up town: two
//! cameras of two agencies, 25 sightings, an open and a closed case, a revoked certificate, an export, what a search found.
//! Its keys are for nothing else. Its certificates end, so the test issues new ones by its authority.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;

use crate::deployment::{Deployment, binary, spoken};

#[test]
fn a_home_folder_of_9a762c7_is_opened_with_everything_that_was_in_it() {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/upgrade-9a762c7.tar.xz");
    let mut d = Deployment::new();
    let home = d.home();
    fs::remove_dir_all(&home).unwrap();
    let unpacked = d.path("upgrade");
    assert!(Command::new("tar").args(["-xJf", archive, "-C"]).arg(d.path("")).status().unwrap().success());
    fs::rename(unpacked.join("home"), &home).unwrap();
    // As the notes for those who upgrade say.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    d.json(&["identity", "service", "server"]);
    for role in ["operator", "investigator", "auditor"] {
        d.json(&["identity", "add", &format!("new-{role}"), "--role", role, "--agency", "local"]);
    }
    d.serve();

    // The index of the engine before is made anew from the catalogue.
    assert!(d.log().contains("made again from the catalogue"), "{}", d.log());
    let report = d.json(&["check", "--as", "new-operator"]);
    assert_eq!((&report["clean"], &report["sightings"], &report["vectors"]), (&true.into(), &25.into(), &25.into()), "{report}");

    // The record commits to what it found, by and by and once.
    let committed = || {
        let report = d.json(&["check", "--as", "new-operator"]);
        (report["committed"].as_u64().unwrap(), report["uncommitted"].as_u64().unwrap(), report["clean"] == true)
    };
    let mut tries = 0;
    while committed() != (25, 0, true) {
        assert!(tries < 100, "{:?}", committed());
        tries += 1;
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    // The record goes on, and what was signed before verifies.
    let cases = d.json(&["case", "list", "--as", "new-investigator"]);
    let state = |id: &str| cases["cases"].as_array().unwrap().iter().find(|c| c["id"] == id).unwrap()["state"].clone();
    assert_ne!(state("open-1"), "closed");
    assert_eq!(state("closed-1"), "closed");
    let (code, out, err) = spoken(
        &binary().arg("verify").arg(unpacked.join("export.zip")).arg("--log-key").arg(home.join("pki/log.pub")).output().unwrap(),
    );
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("NO PROOF"), "{out}");
    let revoked = d.json(&["identity", "list", "--as", "new-operator"]);
    assert!(revoked.to_string().contains("revoked"), "{revoked}");

    // The same search finds the same, where the case that asked it still runs.
    let search = ["search", "--case", "open-1", "--class", "person", "--upper", "blue", "--limit", "20"];
    let (code, out, _) = spoken(&d.command(&search).args(["--as", "investigator", "--json"]).output().unwrap());
    if code == 0 {
        let before: Value = serde_json::from_slice(&fs::read(unpacked.join("hits.json")).unwrap()).unwrap();
        let now: Value = serde_json::from_str(&out).unwrap();
        let ids = |all: &Value| all["hits"].as_array().unwrap().iter().map(|h| h["sighting"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&now), ids(&before));
    }
    d.terminate();
    d.serve();
    assert_eq!(d.json(&["check", "--as", "new-operator"])["clean"], true);
}
