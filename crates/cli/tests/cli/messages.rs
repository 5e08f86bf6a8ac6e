//! What people read: help and errors, as they are.

use insta::assert_snapshot;

use crate::deployment::{Deployment, binary, spoken};

/// Run without a deployment: exit code, then both streams.
fn said(words: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = binary().args(words.split_whitespace()).env("SIGHTLINE_HOME", dir.path().join("none")).output().unwrap();
    let (code, out, err) = spoken(&output);
    format!("exit {code}\n{out}{err}").replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn the_help_names_every_command() {
    assert_snapshot!(said("--help"));
}

#[test]
fn the_help_of_search_names_every_word_that_may_be_asked() {
    assert_snapshot!(said("search --help"));
}

#[test]
fn a_missing_home_points_to_init() {
    assert_snapshot!(said("case list"));
}

#[test]
fn a_start_without_zone_is_refused_before_anything_is_read() {
    assert_snapshot!(said("archive add a.mp4 --camera c --start 2026-03-01T08:30:00"));
}

#[test]
fn a_word_outside_the_vocabulary_is_answered_with_the_words_there_are() {
    assert_snapshot!(said("search --case k --upper mauve"));
}

#[test]
fn a_search_for_nothing_asks_what_to_look_for() {
    let deployment = Deployment::new();
    let (code, out, err) = spoken(&deployment.command(&["--server", "127.0.0.1:1", "search", "--case", "k"]).output().unwrap());
    assert_eq!((code, out.as_str()), (2, ""));
    assert_snapshot!(err);
}

#[test]
fn a_deployment_without_a_server_says_how_to_start_one() {
    let deployment = Deployment::new();
    let (code, out, err) = spoken(&deployment.command(&["--server", "127.0.0.1:1", "camera", "list"]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert_snapshot!(err);
}

#[test]
fn an_identity_that_is_not_there_is_answered_with_those_that_are() {
    let deployment = Deployment::new();
    let output = deployment.command(&["--server", "127.0.0.1:1", "--as", "nobody", "camera", "list"]).output().unwrap();
    let (code, _, err) = spoken(&output);
    assert_eq!(code, 2);
    assert_snapshot!(err.replace(&deployment.home().display().to_string(), "HOME"));
}

#[test]
fn a_second_init_changes_nothing_and_says_so() {
    let deployment = Deployment::new();
    let key = || std::fs::read(deployment.home().join("pki/ca.pem")).unwrap();
    let before = key();
    let (code, _, err) = spoken(&deployment.command(&["init"]).output().unwrap());
    assert_eq!(code, 1);
    assert_eq!(key(), before);
    assert_snapshot!(err.replace(&deployment.home().display().to_string(), "HOME"));
}

#[test]
fn a_model_file_with_one_flipped_byte_fails_verify_with_both_digests() {
    let cache = tempfile::tempdir().unwrap();
    std::fs::create_dir(cache.path().join("models")).unwrap();
    std::fs::write(cache.path().join("models/centerface.onnx"), "not the model").unwrap();
    let output = binary().args(["models", "verify", "--json"]).env("SIGHTLINE_CACHE", cache.path()).output().unwrap();
    let (code, out, err) = spoken(&output);
    assert_eq!(code, 1);
    let error: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["reason"], "not_verified");
    assert_eq!(error["hint"], "get it again: sightline models fetch");
    let view: serde_json::Value = serde_json::from_str(&out).unwrap();
    let model = view["models"].as_array().unwrap().iter().find(|m| m["name"] == "centerface").unwrap();
    assert_eq!(model["state"], "corrupt");
    assert_ne!(model["sha256"], model["found_sha256"]);
}
