//! An export from the outside: made by one command, checked by another with no server and no home, and changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::deployment::{Deployment, binary, footage, spoken};

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() { all.extend(files(&entry)) } else { all.push(entry) }
    }
    all
}

fn export(out: &str) -> [&str; 7] {
    ["export", "--case", "k1", "--class", "person", "--out", out]
}

#[test]
fn an_export_is_verified_without_server_or_home_and_no_byte_of_it_can_be_changed() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall"]);
    // Without footage it is an export that found nothing: as sealed as any.
    if let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") {
        let start = "2026-03-01T08:30:00Z";
        deployment.json(&["archive", "add", clip.to_str().unwrap(), "--camera", "hall", "--start", start, "--wait"]);
    }
    deployment.open_case("k1", &SCOPE);
    let (folder, zip) = (deployment.path("out/export"), deployment.path("out/export.zip"));
    let (to_folder, to_zip) = (folder.to_str().unwrap(), zip.to_str().unwrap());
    assert_eq!(deployment.refused(&export(to_folder))["reason"], "not_authorised");
    assert!(!folder.exists(), "nothing is left of a refused export");
    deployment.authorise("k1");
    let made = deployment.json(&export(to_folder));
    deployment.json(&export(to_zip));
    assert_eq!(deployment.refused(&export(to_folder))["reason"], "exists");
    for nothing in
        [vec!["export", "--case", "k1", "--out", "x"], vec!["export", "--case", "k1", "--out", "x", "--camera", "hall"]]
    {
        assert_eq!(deployment.refused(&nothing)["reason"], "usage");
    }
    let found = made["sightings"].as_u64().unwrap();
    let crops: Vec<PathBuf> = files(&folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "jpg")).collect();
    assert_eq!(crops.len() as u64, found);
    if let Some(crop) = crops.first() {
        // By its id: the same picture.
        let id = crop.file_stem().unwrap().to_str().unwrap()[5..].to_owned();
        let one = deployment.path("one");
        deployment.json(&["export", "--case", "k1", "--sighting", &id, "--out", one.to_str().unwrap()]);
        assert_eq!(fs::read(one.join(format!("crops/0001-{id}.jpg"))).unwrap(), fs::read(crop).unwrap());
        assert!(image::open(crop).is_ok());
    }
    deployment.kill();

    let key = fs::read_to_string(deployment.home().join("pki/log.pub")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let verify = |what: &Path, key: &str| {
        let words = ["--json", "verify", what.to_str().unwrap(), "--log-key", key];
        spoken(&binary().args(words).env("SIGHTLINE_HOME", elsewhere.path().join("none")).output().unwrap())
    };
    for whole in [&folder, &zip] {
        let (code, out, err) = verify(whole, key.trim());
        assert_eq!(code, 0, "{err}");
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((answer["case"].as_str(), answer["sightings"].as_u64()), (Some("k1"), Some(found)), "{answer}");
        assert_eq!(
            (answer["authorised_by"][0]["name"].as_str(), &answer["unauthorised"]),
            (Some("authoriser"), &Value::Bool(false))
        );
    }
    // A receipt in it stands for itself too.
    let receipt = files(&folder.join("receipts")).remove(0);
    assert_eq!(verify(&receipt, key.trim()).0, 0);

    let refused = |what: &Path, how: &str| {
        let (code, out, err) = verify(what, key.trim());
        assert_eq!((code, out.as_str()), (1, ""), "{how}: {err}");
    };
    for file in files(&folder) {
        let bytes = fs::read(&file).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        fs::write(&file, &changed).unwrap();
        refused(&folder, &format!("a byte of {}", file.display()));
        fs::remove_file(&file).unwrap();
        refused(&folder, &format!("without {}", file.display()));
        fs::write(file.with_extension("other"), &bytes).unwrap();
        refused(&folder, &format!("{} renamed", file.display()));
        fs::remove_file(file.with_extension("other")).unwrap();
        fs::write(&file, &bytes).unwrap();
    }
    fs::create_dir(folder.join("more")).unwrap();
    refused(&folder, "a folder more");
    fs::remove_dir(folder.join("more")).unwrap();
    assert_eq!(verify(&folder, key.trim()).0, 0);
    let whole = fs::read(&zip).unwrap();
    for n in 0..40 {
        let mut changed = whole.clone();
        changed[n * (whole.len() - 1) / 39] ^= 1;
        fs::write(&zip, &changed).unwrap();
        refused(&zip, &format!("byte {} of {}", n * (whole.len() - 1) / 39, whole.len()));
    }
    let other = Deployment::new();
    let stranger = fs::read_to_string(other.home().join("pki/log.pub")).unwrap();
    assert_eq!(verify(&folder, stranger.trim()).0, 1);
}
