//! A running server takes its certificates and its configuration anew, all of it or nothing.

use std::{fs, process::Command};

use serde_json::Value;

use crate::deployment::{Deployment, spoken};

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|w| w.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_can_be_taken_at_once_is_and_the_rest_is_named() {
    let mut d = Deployment::new();
    d.configure("");
    d.serve();
    let nothing = d.json(&["reload"]);
    assert_eq!((words(&nothing["changed"]), words(&nothing["needs_restart"])), (vec![], vec![]));

    d.configure("[callers]\ncalls_per_second = 0.1\nburst = 2\n[jobs]\nsegment_seconds = 60\n[live]\nsample_fps = 2.0\n");
    let done = d.json(&["reload"]);
    assert_eq!(words(&done["changed"]), ["callers.burst", "callers.calls_per_second", "live.sample_fps"]);
    assert_eq!(words(&done["needs_restart"]), ["jobs.segment_seconds"]);
    // What needs a restart is named again, what is taken is not.
    let again = d.json(&["reload"]);
    assert_eq!((words(&again["changed"]), words(&again["needs_restart"])), (vec![], vec!["jobs.segment_seconds".to_owned()]));
    let refused = (0..5).find_map(|_| {
        let (code, _, err) = spoken(&d.command(&["agency", "list", "--json"]).output().unwrap());
        (code != 0).then(|| serde_json::from_str::<Value>(&err).unwrap())
    });
    assert_eq!(refused.expect("the new limit does not hold")["reason"], "rate");

    // Log and limits at once, as long as the whole of it is good.
    d.configure("[callers]\nburst = 0\n");
    let error = d.refused(&["reload"]);
    assert!(error["error"].as_str().unwrap().contains("callers.burst = 0"), "{error}");
    fs::write(d.home().join("sightline.toml"), "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"debug\"\n").unwrap();
    let done = d.json(&["reload"]);
    assert!(words(&done["changed"]).contains(&"server.log".to_owned()), "{done}");
    d.json(&["agency", "list"]);
    d.wait_for("a line at level debug", || d.log().contains("\"level\":\"DEBUG\""));
    d.terminate();
    assert!(!d.home().join("reload.json").exists());
    let error = d.refused(&["reload"]);
    assert!(error["error"].as_str().unwrap().contains("no server runs"), "{error}");
}

#[test]
fn a_new_certificate_is_shown_at_once_and_a_bad_one_changes_nothing() {
    let mut d = Deployment::new();
    d.serve();
    d.furnish(&["hall"]);
    let pki = d.home().join("pki");
    let shown = |d: &Deployment| {
        let output = Command::new("openssl")
            .args(["s_client", "-showcerts", "-connect", d.address()])
            .stdin(std::process::Stdio::null())
            .output();
        let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{text}"));
        rest.split_once("-----END").unwrap().0.split_whitespace().collect::<String>()
    };
    let in_file = |d: &Deployment| {
        let text = fs::read_to_string(d.home().join("pki/server.pem")).unwrap();
        text.split_once("-----BEGIN CERTIFICATE-----")
            .unwrap()
            .1
            .split_once("-----END")
            .unwrap()
            .0
            .split_whitespace()
            .collect::<String>()
    };
    assert_eq!(shown(&d), in_file(&d));
    let before = in_file(&d);
    // A certificate without its key: nothing changes, a limit in the same reload neither.
    d.json(&["identity", "service", "server", "--host", "127.0.0.1", "--host", "localhost"]);
    let made = pki.join("services");
    let old_key = fs::read(pki.join("server.key")).unwrap();
    fs::copy(made.join("server.pem"), pki.join("server.pem")).unwrap();
    d.configure("[callers]\nburst = 1\ncalls_per_second = 0.1\n");
    let error = d.refused(&["reload"]);
    assert!(error["error"].as_str().unwrap().contains("nothing was changed"), "{error}");
    assert_eq!(shown(&d), before);
    for _ in 0..3 {
        d.json(&["camera", "list"]);
    }
    d.configure("");
    fs::copy(made.join("server.key"), pki.join("server.key")).unwrap();
    assert_ne!(fs::read(pki.join("server.key")).unwrap(), old_key);
    let done = d.json(&["reload"]);
    assert_eq!(words(&done["changed"]), ["certificates"]);
    assert_eq!(shown(&d), in_file(&d));
    assert_ne!(shown(&d), before);
    d.json(&["camera", "list"]);
    d.terminate();
}
