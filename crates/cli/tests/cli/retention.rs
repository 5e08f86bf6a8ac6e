//! Retention and holds from the outside.

use crate::deployment::Deployment;

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

#[test]
fn a_hold_is_placed_by_one_confirmed_by_another_and_listed() {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall"]);
    deployment.open_case("k1", &SCOPE);
    deployment.authorise("k1");
    let status = deployment.json(&["retention", "status"]);
    assert_eq!(
        (&status["overdue"], &status["held"], &status["default_retention_s"]),
        (&0.into(), &0.into(), &2_592_000.0.into())
    );
    let ran = deployment.json(&["retention", "run"]);
    assert_eq!((&ran["sightings"], &ran["overdue"]), (&0.into(), &0.into()));
    assert!(deployment.json(&["retention", "list"])["deletions"].as_array().unwrap().is_empty());

    let placed = deployment.json(&["hold", "place", "--case", "k1", "--for", "30d", "--reason", "a court asked", "--id", "h1"]);
    assert_eq!(
        (&placed["state"], &placed["holds"], &placed["cameras"]),
        (&"asked".into(), &false.into(), &serde_json::json!(["hall"]))
    );
    assert_eq!(deployment.refused(&["hold", "confirm", "h1", "--as", "authoriser"])["reason"], "same_person");
    // An owner of other cameras has no say in it.
    assert_eq!(deployment.refused(&["hold", "confirm", "h1"])["reason"], "not_yours");
    assert_eq!(deployment.refused(&["hold", "confirm", "none"])["reason"], "no_hold");
    let listed = deployment.json(&["hold", "list", "--case", "k1"]);
    assert_eq!(
        (listed["holds"].as_array().unwrap().len(), &listed["holds"][0]["placed"]["by"]["name"]),
        (1, &"authoriser".into())
    );
    let released = deployment.json(&["hold", "release", "h1"]);
    assert_eq!(released["state"], "released");
}
