//! Before another version changes a deployment's tables the catalogue is copied; the version before can have it back as long as
//! nothing was acknowledged since, and the copy is gone once anything is deleted.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::deployment::{Deployment, spoken};

/// Of commit 9a762c7, whose tables are older than this version's; see `upgrade`.
fn old() -> Deployment {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/upgrade-9a762c7.tar.xz");
    let d = Deployment::new();
    fs::remove_dir_all(d.home()).unwrap();
    assert!(Command::new("tar").args(["-xJf", archive, "-C"]).arg(d.path("")).status().unwrap().success());
    fs::rename(d.path("upgrade").join("home"), d.home()).unwrap();
    fs::set_permissions(d.home(), fs::Permissions::from_mode(0o700)).unwrap();
    d.json(&["identity", "service", "server"]);
    d.json(&["identity", "add", "new-operator", "--role", "operator", "--agency", "local"]);
    d
}

#[test]
fn an_upgrade_that_is_killed_goes_on_and_the_version_before_can_have_its_catalogue_back() {
    let d = old();
    let database = d.home().join("data/catalogue.db");
    let plan = d.json(&["upgrade", "--check"]);
    assert!(plan["needed"] == true && plan["copy"].is_null() && plan["schema"].as_i64() < plan["newest"].as_i64(), "{plan}");
    let untouched = fs::read(&database).unwrap();

    // Killed at twenty points of it at least, each time later, until it has got through.
    let whole = {
        let other = old();
        let began = Instant::now();
        other.json(&["upgrade"]);
        began.elapsed()
    };
    let (mut kills, mut wait) = (0, whole / 25);
    loop {
        let mut child = d.command(&["upgrade", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < wait && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            break;
        }
        assert!(output.status.code().is_none(), "{:?}", spoken(&output));
        wait += whole / 25 + Duration::from_millis(1);
    }
    assert!(kills > 3, "it was never cut off");
    let done = d.json(&["upgrade"]);
    assert_eq!((&done["sightings"], &done["from"], &done["to"]), (&25.into(), &plan["schema"], &plan["newest"]), "{done}");
    assert!(d.home().join("data/before-upgrade/catalogue.db").is_file());

    let back = d.json(&["upgrade", "--rollback"]);
    assert_eq!((&back["to"], &back["sightings"], &back["entries"]), (&plan["schema"], &25.into(), &done["entries"]), "{back}");
    assert!(!d.home().join("data/before-upgrade").exists());
    // The copy has the same rows; it is a file of the same tables.
    assert_eq!(d.json(&["upgrade", "--check"])["schema"], plan["schema"]);
    assert!(!untouched.is_empty() && d.refused(&["upgrade", "--rollback"])["error"].as_str().unwrap().contains("no copy"));
}

#[test]
fn what_was_acknowledged_since_is_not_given_up_and_what_is_deleted_is_in_no_copy() {
    let mut d = old();
    d.serve();
    let copy = d.home().join("data/before-upgrade/catalogue.db");
    assert!(copy.is_file(), "the first start made no copy: {}", d.log());
    assert!(d.refused(&["upgrade"])["error"].as_str().unwrap().contains("another sightline process"));
    d.json(&["agency", "add", "another", "--title", "Another", "--as", "new-operator"]);
    d.terminate();
    let error = d.refused(&["upgrade", "--rollback"]);
    assert!(error["error"].as_str().unwrap().contains("would lose them"), "{error}");
    assert!(copy.is_file());

    d.serve();
    let cameras = d.json(&["camera", "list", "--as", "new-operator"]);
    let (camera, agency) = (cameras["cameras"][0]["id"].clone(), cameras["cameras"][0]["agency"].clone());
    d.json(&["identity", "add", "new-owner", "--role", "camera-owner", "--agency", agency.as_str().unwrap()]);
    d.json(&["camera", "policy", camera.as_str().unwrap(), "--retention", "1s", "--as", "new-owner"]);
    let ran = d.json(&["retention", "run", "--clock-is-right", "--as", "new-operator"]);
    assert!(ran["sightings"].as_u64().unwrap() > 0, "{ran}");
    assert!(!copy.exists(), "the copy still holds what was deleted");
    d.terminate();
}

#[test]
fn a_disk_that_is_full_before_the_copy_is_whole_leaves_the_catalogue_as_it_was() {
    let d = old();
    let plan = d.json(&["upgrade", "--check"]);
    // Ever more files fit, until it gets through; the disk says all the while that it has room.
    let script = r#"
        set -e
        home=$1 program=$2
        mv "$home" "$home.kept" && mkdir -m 700 "$home"
        mount -t tmpfs -o size=256m,mode=700 none "$home"
        cp -a "$home.kept/." "$home"
        room() { mount -o "remount,nr_inodes=$1" "$home"; }
        used() { df --output=iused "$home" | tail -n 1 | tr -d ' '; }
        failed=0 more=0
        while room "$(($(used) + more))" && ! "$program" --home "$home" upgrade --json >said 2>error; do
            cat error >&2
            failed=$((failed + 1)) more=$((more + 1))
            [ "$more" -lt 40 ]
            room 100000
            "$program" --home "$home" upgrade --check --json
        done
        room 100000
        echo "failed $failed"
        cat said
    "#;
    let run = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]).args(words).current_dir(d.path("")).output().unwrap()
    };
    if !run(&["mount", "-t", "tmpfs", "none", "/mnt"]).status.success() {
        eprintln!("SKIPPED: a full disk; this system lets nobody make a small one (unshare --user --mount)");
        return;
    }
    let (home, program) = (d.home(), env!("CARGO_BIN_EXE_sightline"));
    let (code, out, err) = spoken(&run(&["sh", "-c", script, "sh", home.to_str().unwrap(), program]));
    assert_eq!(code, 0, "{out}\n{err}");
    let (looked, said) = out.rsplit_once("failed ").unwrap();
    let (failed, done) = said.split_once('\n').unwrap();
    assert!(failed.parse::<u32>().unwrap() > 0, "the disk was never full: {err}");
    for look in looked.lines() {
        let look: serde_json::Value = serde_json::from_str(look).unwrap();
        assert!(look["needed"] == true && look["schema"] == plan["schema"], "{look}\n{err}");
    }
    let done: serde_json::Value = serde_json::from_str(done.trim()).unwrap();
    assert_eq!((&done["sightings"], &done["from"], &done["to"]), (&25.into(), &plan["schema"], &plan["newest"]), "{done}");
}
