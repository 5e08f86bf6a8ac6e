//! What comes with a package and what an operator looks at first: man pages, completions, the version, `doctor`.

use std::{fs, os::unix::net::UnixDatagram, path::Path, time::Duration};

use serde_json::Value;

use crate::deployment::{Deployment, binary, spoken};

/// Every command, as words, with those below it.
fn commands(words: &[&str], all: &mut Vec<String>) {
    let (code, out, err) = spoken(&binary().args(words).arg("--help").output().unwrap());
    assert_eq!(code, 0, "{err}");
    all.push(std::iter::once("sightline").chain(words.iter().copied()).collect::<Vec<_>>().join("-"));
    let Some((_, list)) = out.split_once("Commands:\n") else { return };
    for line in list.lines().take_while(|line| !line.is_empty()) {
        // What a long line goes on with is further in.
        let Some(word) = line.strip_prefix("  ").filter(|l| !l.starts_with(' ')).and_then(|l| l.split_whitespace().next()) else {
            continue;
        };
        commands(&[words, &[word]].concat(), all);
    }
}

#[test]
fn every_command_has_a_man_page_and_the_words_of_its_options_are_completed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("man");
    let (code, said, err) = spoken(&binary().args(["--json", "man", "--out"]).arg(&out).output().unwrap());
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let mut expected = Vec::new();
    commands(&[], &mut expected);
    let mut expected: Vec<_> = expected.into_iter().map(|name| format!("{name}.1")).collect();
    expected.sort();
    let pages: Vec<_> = said["pages"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert_eq!(pages, expected);
    assert!(pages.contains(&"sightline-archive-add.1"));
    let page = fs::read_to_string(out.join("sightline-backup.1")).unwrap();
    assert!(page.contains("with\\-keys") && page.contains(".TH"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, err) = spoken(&binary().args(["completions", shell]).output().unwrap());
        assert_eq!(code, 0, "{err}");
        assert!(script.contains("missing-person") && script.contains("restore"), "{shell}");
    }
    let (code, _, err) = spoken(&binary().args(["completions", "csh"]).output().unwrap());
    assert!(code == 2 && err.contains("possible values"), "{err}");
    let (code, _, err) = spoken(&binary().args(["man", "--out", "/proc/nowhere"]).output().unwrap());
    assert!(code == 1 && err.contains("hint:"), "{err}");
}

#[test]
fn the_version_says_what_it_was_built_of() {
    let (code, said, _) = spoken(&binary().arg("--version").output().unwrap());
    let of = said.strip_prefix(concat!("sightline ", env!("CARGO_PKG_VERSION"))).unwrap_or_else(|| panic!("{said}"));
    // A commit with its date, or that it is none's; nothing outside of a checkout.
    assert!(code == 0 && (of.is_empty() || (of.starts_with(" (") && of.ends_with(')'))), "{said}");
}

#[test]
fn doctor_names_each_thing_that_is_not_as_it_should_be_and_what_to_do() {
    let mut d = Deployment::new();
    let doctor = |d: &Deployment| -> (i32, Value) {
        let (code, out, err) = spoken(&d.command(&["doctor", "--json"]).output().unwrap());
        (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")))
    };
    let state = |said: &Value, what: &str| {
        let checks = said["checks"].as_array().unwrap();
        checks.iter().find(|c| c["what"] == what).unwrap_or_else(|| panic!("{what}: {said}"))["state"].clone()
    };
    d.serve();
    let (_, well) = doctor(&d);
    for what in ["GStreamer", "configuration", "server", "catalogue", "index", "log", "certificate of the server"] {
        assert_eq!(state(&well, what), "ok", "{what}: {well}");
    }
    for check in well["checks"].as_array().unwrap() {
        assert_eq!(check["state"] == "ok", check["to_do"].is_null(), "{check}");
    }
    d.furnish(&["hall"]);
    d.terminate();
    let mark = d.path("home.high-water");
    fs::rename(&mark, d.path("elsewhere")).unwrap();
    let index = Path::new(&d.home()).join("data/index");
    fs::remove_dir_all(index).unwrap();
    fs::write(d.home().join("pki/server.pem"), "").unwrap();
    let (code, ill) = doctor(&d);
    assert_eq!((code, ill["state"].as_str()), (1, Some("fail")));
    assert_eq!(state(&ill, "high-water mark"), "warn");
    assert_eq!(state(&ill, "certificate of the server"), "fail");
    let (code, out, err) = spoken(&d.command(&["doctor"]).output().unwrap());
    assert!(code == 1 && out.contains("-> ") && err.contains("hint:"), "{out}{err}");
}

#[test]
fn systemd_is_told_that_the_server_answers_that_it_lives_and_that_it_stops() {
    let mut d = Deployment::new();
    let socket = d.path("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let hear = |word: &str| {
        let mut bytes = [0; 4096];
        loop {
            let n = told.recv(&mut bytes).unwrap_or_else(|e| panic!("{word} was not said: {e}"));
            if String::from_utf8_lossy(&bytes[..n]).lines().any(|line| line == word) {
                return;
            }
        }
    };
    let mut command = binary();
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "1500000");
    d.serve_under(command);
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    d.terminate();
    hear("STOPPING=1");
}
