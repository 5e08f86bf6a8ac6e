//! One screen about a deployment.

use serde_json::Value;

use crate::deployment::Deployment;

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

/// What the answer says that the caller's role may not see.
fn left_out(status: &Value) -> Vec<&str> {
    status["left_out"].as_array().unwrap().iter().map(|l| l["what"].as_str().unwrap()).collect()
}

#[test]
fn status_shows_what_the_callers_role_may_see_and_says_who_sees_the_rest() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall", "yard"]);
    deployment.open_case("waits", &SCOPE);
    let urgent = [&SCOPE[..], &["--emergency", "a child is out in the cold"]].concat();
    deployment.open_case("urgent", &urgent);
    deployment.open_case("signed", &SCOPE);
    deployment.authorise("signed");
    deployment.json(&["hold", "place", "--case", "signed", "--for", "30d", "--reason", "a court asked", "--id", "h1"]);
    // Nobody listens there: it is offline, or on its way to that.
    deployment.json(&["camera", "source", "yard", "rtsp://127.0.0.1:9/x"]);

    let watched = |status: &Value| status["watched"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>();
    deployment.wait_for("the camera is watched", || watched(&deployment.json(&["status"])) == 1);
    let operator = deployment.json(&["status"]);
    assert_eq!((&operator["healthy"], &operator["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(operator["caller"]["role"], "operator");
    assert_eq!((&operator["agencies"], &operator["cameras"], &operator["sightings"]), (&1.into(), &2.into(), &0.into()));
    assert!(operator["disk"]["free_bytes"].as_u64().unwrap() > 0, "{operator}");
    assert_eq!(left_out(&operator), ["cases", "legal holds"]);
    assert_eq!((&operator["due"]["cases_to_authorise"], &operator["due"]["deletions_overdue"]), (&Value::Null, &0.into()));

    let auditor = deployment.json(&["status", "--as", "auditor"]);
    assert_eq!(left_out(&auditor), ["live streams", "jobs that ended"]);
    let due = &auditor["due"];
    assert_eq!((&due["cases_to_authorise"], &due["emergencies_to_review"]), (&1.into(), &1.into()), "{due}");
    assert_eq!((&due["holds_to_confirm"], &auditor["watched"]), (&1.into(), &Value::Null));

    let text = deployment.human(&["status", "--as", "auditor"]);
    assert!(
        text.contains("cases to authorise: 1") && text.contains("not shown  live streams (camera owner, operator)"),
        "{text}"
    );
    let owner = deployment.json(&["status", "--as", "camera-owner"]);
    assert_eq!(left_out(&owner), ["days and deletions", "cases"]);
}

#[test]
fn status_names_a_certificate_that_ends_soon_until_it_is_revoked_and_no_other() {
    let mut deployment = Deployment::new();
    deployment.json(&["identity", "add", "guest", "--role", "auditor", "--agency", "oversight", "--days", "5"]);
    deployment.serve();
    let ending = |status: &Value| {
        let all = status["due"]["certificates"].as_array().unwrap();
        all.iter().map(|c| c["of"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let named = ending(&deployment.json(&["status"]));
    assert!(named.len() == 1 && named[0].contains("guest"), "{named:?}");
    deployment.json(&["identity", "revoke", "guest"]);
    assert!(ending(&deployment.json(&["status"])).is_empty());
}

#[test]
fn status_names_a_certificate_that_ended_for_thirty_days_and_not_for_ever() {
    let mut deployment = Deployment::new();
    for (name, days_ago) in [("late", 20), ("gone", 40)] {
        deployment.note_ended(name, days_ago);
    }
    deployment.serve();
    // The server says it to an operator; to an authoriser the home folder does.
    for who in ["operator", "authoriser"] {
        let status = deployment.json(&["status", "--as", who]);
        let named = status["due"]["certificates"].to_string();
        assert!(named.contains("late") && !named.contains("gone"), "{who}: {named}");
    }
    let listed = deployment.json(&["identity", "list"])["identities"].to_string();
    assert!(listed.contains("late") && listed.contains("gone"), "{listed}");
}

#[test]
fn status_of_a_server_that_is_not_there_says_how_to_start_one() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.kill();
    assert_eq!(deployment.refused(&["status"])["reason"], "no_server");
}
