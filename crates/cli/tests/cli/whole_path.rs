//! From `init` to a contact sheet, and what is refused on the way.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::deployment::{Deployment, footage, spoken};

const START: &str = "2026-03-01T08:30:00Z";
const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];
const SEARCH: [&str; 5] = ["--class", "person", "--upper", "white", "--lower"];

fn search<'a>(case: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["search", "--case", case], &SEARCH[..], &["blue"], more].concat()
}

fn add(deployment: &Deployment, file: &std::path::Path, camera: &str, more: &[&str]) -> Value {
    let file = file.to_str().unwrap();
    let answer = deployment.json(&[&["archive", "add", file, "--camera", camera, "--start", START], more].concat());
    answer["jobs"][0].clone()
}

fn ids(answer: &Value) -> Vec<String> {
    answer["hits"].as_array().unwrap().iter().map(|h| h["sighting"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn footage_becomes_sightings_that_only_an_authorised_case_finds() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall", "gate"]);
    let job = add(&deployment, &clip, "hall", &["--wait"]);
    assert_eq!((job["state"].as_str(), job["existed"].as_bool()), (Some("done"), Some(false)), "{job}");
    assert!(job["sightings"].as_u64().unwrap() > 0, "{job}");

    // The same again adds nothing.
    let again = add(&deployment, &clip, "hall", &["--wait"]);
    assert_eq!((&again["id"], again["existed"].as_bool()), (&job["id"], Some(true)));

    // No case, then a case nobody authorised.
    assert_eq!(deployment.refused(&search("none", &[]))["reason"], deployment.refused(&search("nor-this", &[]))["reason"]);
    deployment.open_case("k1", &SCOPE);
    deployment.refused(&search("k1", &[]));
    deployment.refused(&["case", "authorise", "k1", "--as", "investigator"]);
    assert_eq!(deployment.refused(&["case", "authorise", "k1"])["reason"], "not_signed", "nobody could be asked");
    let case = deployment.authorise("k1");
    assert_eq!(case["state"], "authorised");

    let sheet = deployment.path("sheet.png");
    let found = deployment.json(&search("k1", &["--contact-sheet", sheet.to_str().unwrap()]));
    let hits = found["hits"].as_array().unwrap();
    assert!(!hits.is_empty(), "{found}");
    for hit in hits {
        assert_eq!((hit["camera"].as_str(), hit["place"].as_str()), (Some("hall"), Some("place of hall")));
        assert!(hit["time"].as_str().unwrap().starts_with("2026-03-01T08:30:0"), "{hit}");
        assert_eq!(hit["uncertainty_s"].as_f64(), Some(1.0), "{hit}");
    }
    let picture = image::open(&sheet).unwrap();
    assert!(picture.width() > 200 && picture.height() > 300, "{}x{}", picture.width(), picture.height());

    let human = deployment.human(&search("k1", &["--limit", "1"]));
    assert!(human.starts_with("1 possible sighting in 2 cameras") && human.contains("place of hall"), "{human}");
    assert!(human.contains("±1 s") && human.contains("score") && human.contains(" ms "), "{human}");

    // By example: never the example itself.
    let example = ids(&found).remove(0);
    let alike = deployment.json(&["search", "--case", "k1", "--class", "person", "--like", &example]);
    assert!(!ids(&alike).contains(&example));

    // Nothing there is an answer, and a sheet that says so.
    let empty = deployment.path("empty.png");
    let none = deployment.json(&search("k1", &["--camera", "gate", "--contact-sheet", empty.to_str().unwrap()]));
    assert_eq!(ids(&none).len(), 0);
    assert!(image::open(&empty).is_ok());

    // Beyond the scope, by another role, and after the case is closed.
    deployment.refused(&search("k1", &["--from", "2026-03-01T07:00:00Z"]));
    deployment.refused(&search("k1", &["--camera", "elsewhere"]));
    deployment.refused(&search("k1", &["--as", "operator"]));
    deployment.json(&["case", "close", "k1"]);
    assert_eq!(deployment.refused(&search("k1", &[]))["reason"], "closed");

    let checked = deployment.json(&["check"]);
    assert_eq!((&checked["clean"], &checked["sightings"]), (&Value::Bool(true), &job["sightings"]), "{checked}");
    let rebuilt = deployment.json(&["index", "rebuild"]);
    assert_eq!(rebuilt["vectors"], job["sightings"]);
    assert_eq!(deployment.json(&["check"])["clean"], true);
}

#[test]
fn bad_footage_is_refused_with_a_message_and_leaves_nothing() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["hall"]);
    let whole = fs::read(&clip).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = deployment.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bad = [
        deployment.path("missing.mp4").to_str().unwrap().to_owned(),
        file("empty.mp4", b""),
        file("garbage.mp4", &[0x5a; 50_000]),
        file("truncated.mp4", &whole[..whole.len() * 6 / 10]),
    ];
    for path in &bad {
        let error = deployment.refused(&["archive", "add", path, "--camera", "hall", "--start", START, "--wait"]);
        let name = path.rsplit('/').next().unwrap();
        assert!(error["error"].as_str().unwrap().contains(name), "{error}");
    }
    let good = clip.to_str().unwrap();
    deployment.refused(&["archive", "add", good, "--camera", "nowhere", "--start", START]);
    deployment.refused(&["archive", "add", good, "--camera", "hall", "--start", "2100-01-01T00:00:00Z"]);
    let checked = deployment.json(&["check"]);
    assert_eq!(
        (&checked["clean"], checked["sightings"].as_u64(), checked["crops"].as_u64()),
        (&Value::Bool(true), Some(0), Some(0))
    );
}

#[test]
fn a_server_killed_while_it_reads_footage_loses_nothing_and_doubles_nothing() {
    let Some(clip) = footage("opencv_vtest/vtest.avi") else { return };
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["square"]);
    let job = add(&deployment, &clip, "square", &[]);
    let id = job["id"].as_str().unwrap();
    deployment.wait_for("the first sightings", || {
        deployment.json(&["archive", "status", id])["sightings"].as_u64().is_some_and(|n| n > 0)
    });
    deployment.kill();
    deployment.serve();
    let done = add(&deployment, &clip, "square", &["--wait"]);
    assert_eq!(done["state"], "done", "{done}");
    let checked = deployment.json(&["check"]);
    assert_eq!((&checked["clean"], &checked["sightings"]), (&Value::Bool(true), &done["sightings"]), "{checked}");

    // As many as a deployment that was never killed finds.
    let mut calm = Deployment::new();
    calm.serve();
    calm.furnish(&["square"]);
    assert_eq!(add(&calm, &clip, "square", &["--wait"])["sightings"], done["sightings"]);
}

#[test]
fn a_second_server_on_one_home_is_refused_and_names_the_first() {
    let mut deployment = Deployment::new();
    deployment.serve();
    let (code, out, err) = spoken(&deployment.command(&["serve"]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("error: another sightline process") && err.contains("hint: "), "{err}");
    std::thread::sleep(Duration::from_millis(10));
    deployment.json(&["camera", "list"]);
}
