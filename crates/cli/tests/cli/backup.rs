//! A backup of a running server becomes a deployment again, and what was deleted meanwhile is deleted in it before anybody can
//! search.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::deployment::{Deployment, binary, spoken};

/// A deployment with 25 sightings of two agencies' cameras, running; see `upgrade`.
fn furnished() -> Deployment {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/upgrade-9a762c7.tar.xz");
    let mut d = Deployment::new();
    let home = d.home();
    fs::remove_dir_all(&home).unwrap();
    assert!(Command::new("tar").args(["-xJf", archive, "-C"]).arg(d.path("")).status().unwrap().success());
    fs::rename(d.path("upgrade").join("home"), &home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    // As `init` writes it now: the high-water mark lies beside the home folder.
    let config = fs::read_to_string(home.join("sightline.toml")).unwrap();
    fs::write(home.join("sightline.toml"), config.replace("\"log.high-water\"", "\"\"")).unwrap();
    d.json(&["identity", "service", "server"]);
    d.json(&["identity", "add", "new-operator", "--role", "operator", "--agency", "local"]);
    d.json(&["identity", "add", "new-auditor", "--role", "auditor", "--agency", "oversight"]);
    d.serve();
    d
}

fn restore(home: &Path, words: &[&str]) -> (i32, Value, Value) {
    let output = binary().arg("--home").arg(home).args(["--json", "restore"]).args(words).output().unwrap();
    let (code, out, err) = spoken(&output);
    let parse = |text: &str| serde_json::from_str(text.lines().last().unwrap_or("null")).unwrap_or(Value::Null);
    (code, parse(&out), parse(&err))
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The first crop of a folder.
fn a_crop(folder: &Path) -> PathBuf {
    let day = fs::read_dir(folder.join("crops")).unwrap().next().unwrap().unwrap().path();
    fs::read_dir(day).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn what_was_deleted_after_a_backup_is_deleted_again_before_anybody_can_search_and_the_log_goes_on() {
    let mut d = furnished();
    let (dir, before) = (d.path("b1"), d.json(&["check", "--as", "new-operator"]));
    let dir = dir.to_str().unwrap();
    let made = d.json(&["backup", "--to", dir, "--with-keys"]);
    assert_eq!(
        (&made["sightings"], &made["crops"], &made["keys"]),
        (&before["sightings"], &before["crops"], &true.into()),
        "{made}"
    );
    let names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|n| n == "index" || n == "unfinished"), "{names:?}");
    for never in ["pki/ca.key", "pki/identities"] {
        assert!(!Path::new(dir).join(never).exists(), "{never} is in the backup");
    }
    let checked = Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(dir).status().unwrap();
    assert!(checked.success());
    // Its log stands by itself.
    let log = Path::new(dir).join("log");
    d.json(&["log", "verify", "--dir", log.to_str().unwrap(), "--log-key", d.home().join("pki/log.pub").to_str().unwrap()]);

    // Afterwards an owner shortens how long a camera's sightings live, and they go.
    let cameras = d.json(&["camera", "list", "--as", "new-operator"]);
    let camera = cameras["cameras"][0].clone();
    let (camera, agency) = (camera["id"].as_str().unwrap(), camera["agency"].as_str().unwrap());
    d.json(&["identity", "add", "new-owner", "--role", "camera-owner", "--agency", agency]);
    d.json(&["camera", "policy", camera, "--retention", "1s", "--as", "new-owner"]);
    let ran = d.json(&["retention", "run", "--clock-is-right", "--as", "new-operator"]);
    let deleted = ran["sightings"].as_u64().unwrap();
    assert!(deleted > 0, "{ran}");
    d.wait_for("the publishing", || {
        let listed = d.json(&["log", "list", "--as", "new-auditor"]);
        listed.to_string().contains("retention.delete")
    });
    d.terminate();
    let left = before["sightings"].as_u64().unwrap() - deleted;

    // By the backup alone nobody can know it, and the answer says so.
    let alone = d.path("alone");
    let (code, said, err) = restore(&alone, &["--from", dir, "--clock-is-right"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!((&said["sightings"], &said["is_newest"]), (&before["sightings"], &false.into()), "{said}");
    assert_eq!(said["known_until"], made["made"]);

    // Where the deployment was, its mark knows of more than the backup: that is not gone on without.
    let lost = d.path("lost");
    fs::rename(d.home(), &lost).unwrap();
    let (code, _, err) = restore(&d.home(), &["--from", dir, "--clock-is-right"]);
    assert!(code == 1 && err["hint"].as_str().unwrap().contains("--log"), "{err}");
    let newer = lost.join("log");
    let (code, said, err) = restore(&d.home(), &["--from", dir, "--clock-is-right", "--log", newer.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!((&said["deleted_by_record"], &said["sightings"]), (&deleted.into(), &left.into()), "{said}");
    assert!(said["is_newest"] == true && said["entries_after"].as_u64().unwrap() > 0, "{said}");
    let again = said["to_do_again"].as_array().unwrap();
    assert!(again.iter().any(|a| a["action"] == "camera.policy" && a["cameras"] == serde_json::json!([camera])), "{said}");
    // It is gone from the files before any server has started.
    let crops = Command::new("find").arg(d.home().join("data/crops")).args(["-name", "*.jpg"]).output().unwrap();
    assert_eq!(crops.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count() as u64, left);

    copy(&lost.join("pki/identities"), &d.home().join("pki/"));
    d.serve();
    let after = d.json(&["check", "--as", "new-operator"]);
    assert_eq!((&after["clean"], &after["sightings"], &after["vectors"]), (&true.into(), &left.into(), &left.into()), "{after}");
    // The deletion is on the record once more, and the log is the old one's continuation.
    d.wait_for("the record of the deletion", || {
        let listed = d.json(&["retention", "list", "--as", "new-auditor"]);
        listed["deletions"].as_array().unwrap().iter().filter(|r| r["finished"].is_string()).count() > 0
    });
    d.terminate();
    let (dir, from) = (d.home().join("log"), newer.join("checkpoint"));
    let to = dir.join("checkpoint");
    let words = [("--dir", &dir), ("--from", &from), ("--to", &to)].map(|(option, path)| [option, path.to_str().unwrap()]);
    d.json(&[&["log", "verify"], words.as_flattened()].concat());
}

#[test]
fn a_backup_without_keys_that_was_changed_or_is_not_whole_is_no_deployment() {
    let mut d = furnished();
    let dir = d.path("b1");
    let made = d.json(&["backup", "--to", dir.to_str().unwrap()]);
    assert_eq!(made["keys"], false);
    for key in ["pki/log.key", "pki/server.key", "secrets"] {
        assert!(!dir.join(key).exists(), "{key}");
    }
    let error = d.refused(&["backup", "--to", dir.to_str().unwrap()]);
    assert!(error["error"].as_str().unwrap().contains("is not empty"), "{error}");
    d.terminate();
    let home = d.path("new");
    let keys = d.home().join("pki");
    let (from, keys) = (dir.to_str().unwrap(), keys.to_str().unwrap());
    let all = ["--from", from, "--keys", keys, "--clock-is-right"];
    let refused = |words: &[&str], why: &str| {
        let (code, _, err) = restore(&home, words);
        assert!(code == 1 && err.to_string().contains(why) && err["hint"].is_string(), "{why}: {err}");
        assert!(!home.join("pki").exists() && !home.join("data").exists() && !home.join("sightline.toml").exists());
    };
    refused(&["--from", from], "log's private key");
    // The folder of somebody else's deployment.
    let other = Deployment::new();
    refused(&["--from", from, "--keys", other.home().join("pki").to_str().unwrap()], "another deployment's");

    let crop = a_crop(&dir);
    let whole = fs::read(&crop).unwrap();
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    fs::write(&crop, &flipped).unwrap();
    refused(&all, crop.file_name().unwrap().to_str().unwrap());
    fs::remove_file(&crop).unwrap();
    refused(&all, "it is not there");
    fs::write(&crop, &whole).unwrap();
    let sums = fs::read_to_string(dir.join("SHA256SUMS")).unwrap();
    fs::write(dir.join("SHA256SUMS"), sums.replacen("crops/", "../crops/", 1)).unwrap();
    refused(&all, "another digest");
    fs::write(dir.join("SHA256SUMS"), &sums).unwrap();
    let manifest = fs::read_to_string(dir.join("backup.json")).unwrap();
    fs::write(dir.join("backup.json"), manifest.replace("\"format\": 1", "\"format\": 9")).unwrap();
    refused(&all, "of format 9");
    // Whoever changes files and their digests has no key to seal them with.
    fs::write(dir.join("backup.json"), manifest.replace("\"without_crop\": 0", "\"without_crop\": 9")).unwrap();
    refused(&all, "seal of this backup");
    fs::remove_file(dir.join("backup.json")).unwrap();
    refused(&all, "no backup.json");
    fs::write(dir.join("backup.json"), &manifest).unwrap();

    let (code, said, err) = restore(&home, &all);
    assert!(code == 0 && said["has_server_key"] == true, "{said}{err}");
    // Not over what is there.
    let (code, _, err) = restore(&home, &all);
    assert!(code == 1 && err.to_string().contains("is not empty"), "{err}");
}

#[test]
fn what_has_come_to_its_end_and_footage_that_was_removed_are_gone_before_a_server_can_start() {
    let mut d = furnished();
    let cameras = d.json(&["camera", "list", "--as", "new-operator"]);
    let camera = cameras["cameras"][0].clone();
    let (camera, agency) = (camera["id"].as_str().unwrap(), camera["agency"].as_str().unwrap());
    d.json(&["identity", "add", "new-owner", "--role", "camera-owner", "--agency", agency]);
    // Due, and not swept yet.
    d.json(&["camera", "policy", camera, "--retention", "1s", "--as", "new-owner"]);
    let dir = d.path("b1");
    let made = d.json(&["backup", "--to", dir.to_str().unwrap(), "--with-keys"]);
    assert!(made["sightings"] == 25 && made["first_ends"].as_str() < made["made"].as_str(), "{made}");
    let jobs = d.json(&["archive", "list", "--as", "new-operator"]);
    let job = jobs["jobs"].as_array().unwrap().iter().find(|j| j["camera"] != camera && j["state"] == "done").unwrap().clone();
    let removed = d.json(&["archive", "remove", job["id"].as_str().unwrap(), "--as", "new-operator"]);
    let removed = removed["sightings_removed"].as_u64().unwrap();
    assert!(removed > 0);
    d.terminate();
    let (home, log) = (d.path("new"), d.home().join("log"));
    let (code, said, err) = restore(&home, &["--from", dir.to_str().unwrap(), "--log", log.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let by_clock = said["deleted_by_clock"].as_u64().unwrap();
    assert_eq!((&said["deleted_by_record"], by_clock > 0), (&removed.into(), true), "{said}");
    assert_eq!(said["sightings"].as_u64().unwrap() + removed + by_clock, 25, "{said}");
}

#[test]
fn a_deployment_that_lost_a_crop_can_be_backed_up_and_restored_and_both_say_so() {
    let mut d = furnished();
    let data = d.home().join("data");
    let lost = a_crop(&data);
    fs::remove_file(&lost).unwrap();
    let damaged = a_crop(&data);
    fs::write(&damaged, "no picture").unwrap();
    let dir = d.path("b1");
    let made = d.json(&["backup", "--to", dir.to_str().unwrap(), "--with-keys"]);
    assert_eq!((&made["sightings"], &made["crops"], &made["without_crop"]), (&25.into(), &24.into(), &1.into()), "{made}");
    d.terminate();
    let (code, said, err) = restore(&d.path("new"), &["--from", dir.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!((&said["sightings"], &said["without_crop"]), (&25.into(), &2.into()), "{said}");
}
