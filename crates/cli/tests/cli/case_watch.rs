//! Who answers for cases is told what happens to them, and whose certificate and key counts, on the command line.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::deployment::Deployment;

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

#[test]
fn what_happens_to_cases_is_told_line_by_line_and_the_record_says_whom_the_server_knows() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["gate"]);
    deployment.open_case("a", &SCOPE);
    deployment.open_case("b", &[&SCOPE[..], &["--emergency", "it is freezing"]].concat());
    for (json, expected) in [(true, ["emergency", "authorised"]), (false, ["emergency: case b", "authorised: case a"])] {
        let mut command = deployment.command(&["case", "watch", "--after", "1"]);
        if json {
            command.arg("--json");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        if json {
            deployment.authorise("a");
        }
        for (line, expected) in [first, lines.next().unwrap()].iter().zip(expected) {
            if json {
                let event: Value = serde_json::from_str(line).unwrap();
                assert_eq!(event["kind"], expected, "{line}");
                assert!(
                    event["deadline"].is_string() && event["time"].is_string() && event["purpose"] == "missing_person",
                    "{line}"
                );
            } else {
                assert!(line.contains(expected), "{line}");
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(deployment.refused(&["case", "watch", "--as", "operator"])["reason"], "role");
    let record = deployment.human(&["log", "list", "--limit", "1000"]);
    for words in
        ["identity.issue", "sightline://oversight/authoriser/authoriser key ", "grant_key.trust", "oversight.authoriser key "]
    {
        assert!(record.contains(words), "{words}: {record}");
    }
}
