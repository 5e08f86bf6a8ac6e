//! A search that a person steers, on the command line.

use std::process::Stdio;

use serde_json::Value;

use crate::deployment::Deployment;

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];
const NOWHERE: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[test]
fn who_keeps_looking_is_told_from_beginning_to_end_and_the_record_is_listed_by_what_it_is_about() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["gate"]);
    deployment.open_case("a", &SCOPE);
    deployment.authorise("a");
    let look = ["search", "--case", "a", "--class", "person", "--keep-looking", "--for", "1s"];
    let output = deployment.command(&look).arg("--json").stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["began"]["cameras"], serde_json::json!(["gate"]));
    assert_eq!(lines[1]["ended"]["hits"], 0);
    let told = deployment.human(&look);
    assert!(told.contains("looking on in 1 camera until ") && told.contains("over after 0 possible sightings"), "{told}");
    assert_eq!(deployment.refused(&[&look[..7], &["2h"]].concat())["reason"], "too_long");

    let incident = ["case", "open", "--id", "b", "--purpose", "serious-incident", "--legal-basis", "x", "--reason", "y"];
    deployment.json(&[&incident[..], &SCOPE].concat());
    deployment.authorise("b");
    let refused = deployment.refused(&["search", "--case", "b", "--class", "person", "--keep-looking"]);
    assert_eq!(refused["reason"], "purpose");

    let listed = |words: &[&str]| {
        let all = deployment.json(&[&["log", "list", "--limit", "0"], words].concat());
        all["entries"].as_array().unwrap().iter().map(|e| e["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--action", "keep_looking"]), ["permitted", "done", "permitted", "done", "malformed", "purpose"]);
    assert_eq!(listed(&["--action", "keep_looking", "--case", "a", "--outcome", "done"]), ["done", "done"]);
    assert_eq!(listed(&["--action", "keep_looking", "--role", "auditor"]), Vec::<String>::new());
    assert_eq!(deployment.refused(&["log", "list", "--action", "keep"])["reason"], "no_word");
}

#[test]
fn marks_and_examples_are_of_what_was_handed_out_and_the_case_says_what_is_left() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["gate"]);
    deployment.open_case("a", &[&SCOPE[..], &["--queries", "9", "--results", "90"]].concat());
    deployment.authorise("a");
    assert_eq!(deployment.json(&["search", "--case", "a", "--class", "person"])["hits"], serde_json::json!([]));
    let case = deployment.json(&["case", "show", "a"]);
    assert_eq!(
        (&case["used"]["queries"], &case["left"]["queries"], &case["left"]["results"]),
        (&1.into(), &8.into(), &90.into())
    );
    assert!(deployment.human(&["case", "show", "a"]).contains("8 searches and 90 results"));

    assert_eq!(deployment.refused(&["mark", "set", "--case", "a", "--yes", NOWHERE])["reason"], "outside");
    assert_eq!(deployment.refused(&["search", "--case", "a", "--like", NOWHERE, "--unlike", NOWHERE])["reason"], "both_examples");
    assert_eq!(deployment.refused(&["search", "--case", "a", "--class", "person", "--unlike", NOWHERE])["reason"], "outside");
    for wrong in [&["--yes", NOWHERE, "--no", NOWHERE][..], &[]] {
        let refused = deployment.refused(&[&["mark", "set", "--case", "a"], wrong].concat());
        assert_eq!(refused["reason"], "usage", "{refused}");
    }
    assert_eq!(deployment.json(&["mark", "list", "--case", "a", "--verdict", "yes"])["marks"], serde_json::json!([]));
    let nothing = deployment.refused(&["search", "--case", "a", "--by-marks"]);
    assert!(nothing["error"].as_str().unwrap().contains("nothing is marked yes"), "{nothing}");
}
