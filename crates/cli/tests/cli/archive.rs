//! Whole archives: folders, names that tell time and camera, wrong starts put right, and `kill -9` in the middle.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::Value;

use crate::deployment::{Deployment, footage};

/// Ten different files of two seconds: the same clip, each with other bytes after its end.
fn ten_files(clip: &Path, folder: &Path) {
    fs::create_dir_all(folder.join("more")).unwrap();
    let bytes = fs::read(clip).unwrap();
    for n in 0..10u8 {
        let camera = if n % 2 == 0 { "gate" } else { "yard" };
        let name = format!("{camera}_20260301_0930{:02}.mp4", n * 5);
        let file = if n < 5 { folder.join(name) } else { folder.join("more").join(name) };
        fs::write(file, [&bytes[..], &[n; 4]].concat()).unwrap();
    }
    fs::write(folder.join("index.txt"), "not footage").unwrap();
}

#[test]
fn a_folder_added_twice_adds_nothing_and_a_wrong_start_is_put_right() {
    let Some(clip) = footage("pose2sim_4cam/MultiPerson/cam01.mp4") else { return };
    let mut deployment = Deployment::new();
    let folder = deployment.path("archive");
    ten_files(&clip, &folder);
    deployment.serve();
    deployment.furnish(&["gate", "yard"]);
    let folder = folder.to_str().unwrap();
    let add = ["archive", "add", folder, "--camera-pattern", "{camera}_", "--start-pattern", "%Y%m%d_%H%M%S", "--zone", "+01:00"];
    let add: Vec<&str> = add.into_iter().chain(["--sample-fps", "2", "--wait"]).collect();

    let first = deployment.json(&add);
    let jobs = first["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 10);
    for (n, job) in jobs.iter().enumerate() {
        assert_eq!((job["state"].as_str(), job["existed"].as_bool()), (Some("done"), Some(false)), "{job}");
        let path = job["path"].as_str().unwrap();
        assert_eq!(job["camera"].as_str().unwrap(), if path.contains("gate_") { "gate" } else { "yard" }, "{n}");
        assert_eq!(job["start"].as_str().unwrap(), format!("2026-03-01T08:30:{}Z", &path[path.len() - 6..path.len() - 4]));
    }
    let before = deployment.json(&["check"]);
    assert!(before["sightings"].as_u64().unwrap() >= 10 && before["clean"] == true, "{before}");

    let second = deployment.json(&add);
    assert!(second["jobs"].as_array().unwrap().iter().all(|j| j["existed"] == true), "{second}");
    let after = deployment.json(&["check"]);
    assert_eq!(after["sightings"], before["sightings"]);

    // One of them began ten minutes later.
    let job = &jobs[0];
    let (id, path) = (job["id"].as_str().unwrap(), job["path"].as_str().unwrap());
    let start = "2026-03-01T09:40:00+01:00";
    let correct = ["archive", "add", path, "--camera", "gate", "--start", start, "--sample-fps", "2", "--wait"];
    assert_eq!(deployment.refused(&correct)["error"].as_str().map(|e| e.contains("there already")), Some(true));
    let removed = deployment.json(&["archive", "remove", id]);
    assert_eq!(removed["sightings_removed"], job["sightings"]);
    let corrected = deployment.json(&correct);
    assert_eq!(corrected["jobs"][0]["sightings"], job["sightings"]);
    let check = deployment.json(&["check"]);
    assert_eq!((&check["sightings"], &check["clean"]), (&before["sightings"], &true.into()), "{check}");

    assert_eq!(deployment.refused(&["archive", "retry", id])["reason"], "unknown_job");
    let done = corrected["jobs"][0]["id"].as_str().unwrap();
    assert!(deployment.refused(&["archive", "retry", done])["error"].as_str().unwrap().contains("done"));
}

#[test]
fn a_job_that_failed_says_why_file_by_file_and_is_tried_again() {
    let Some(clip) = footage("opencv_vtest/vtest.avi") else { return };
    let mut deployment = Deployment::new();
    let bytes = fs::read(&clip).unwrap();
    let file = deployment.path("cut.avi");
    fs::write(&file, &bytes[..bytes.len() / 20]).unwrap();
    deployment.serve();
    deployment.furnish(&["gate"]);
    let add = ["archive", "add", file.to_str().unwrap(), "--camera", "gate", "--start", "2026-03-01T08:30:00Z", "--wait"];
    deployment.refused(&add);
    let report = deployment.human(&["archive", "report"]);
    assert!(
        report.contains("cut.avi: failed") && report.contains("problem: ") && report.contains("1 file: 1 failed"),
        "{report}"
    );
    let id = deployment.json(&["archive", "list"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let again = deployment.json(&["archive", "retry", &id]);
    assert_eq!((again["id"].as_str().unwrap(), again["error"].as_str()), (id.as_str(), None));
    deployment.wait_for("the retried job", || deployment.json(&["archive", "status", &id])["state"] == "failed");
    assert_eq!(deployment.json(&["archive", "remove", &id])["sightings_removed"], 0);
    assert_eq!(deployment.json(&["archive", "list"])["jobs"].as_array().unwrap().len(), 0);
}

const CONFIG: &str = "segment_seconds = 20";

/// A server whose jobs are cut into parts of 20 seconds, and the clip added to it.
fn working_on(clip: &Path) -> (Deployment, String) {
    let mut deployment = Deployment::new();
    let config = deployment.home().join("sightline.toml");
    let text =
        fs::read_to_string(&config).unwrap().replace("segment_seconds = 300", CONFIG).replacen("workers = 0", "workers = 2", 1);
    assert!(text.contains(CONFIG) && text.contains("workers = 2"));
    fs::write(config, text).unwrap();
    deployment.serve();
    deployment.furnish(&["gate"]);
    let add = ["archive", "add", clip.to_str().unwrap(), "--camera", "gate", "--start", "2026-03-01T08:30:00Z"];
    let add: Vec<_> = add.into_iter().chain(["--sample-fps", "2"]).collect();
    let job = deployment.json(&add)["jobs"][0]["id"].as_str().unwrap().to_owned();
    (deployment, job)
}

/// Everything that a search shows of the job's footage, by id.
fn result(deployment: &Deployment, job: &str) -> BTreeMap<String, Value> {
    deployment.wait_for("the job", || deployment.json(&["archive", "status", job])["state"] == "done");
    let check = deployment.json(&["check"]);
    assert_eq!(check["clean"], true, "{check}");
    deployment.open_case("k", &["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"]);
    deployment.authorise("k");
    let mut all = BTreeMap::new();
    for class in ["person", "car", "truck", "bicycle"] {
        let found = deployment.json(&["search", "--case", "k", "--class", class, "--limit", "500"]);
        for hit in found["hits"].as_array().unwrap() {
            all.insert(hit["sighting"].as_str().unwrap().to_owned(), hit.clone());
        }
    }
    assert_eq!(all.len() as u64, check["sightings"].as_u64().unwrap());
    all
}

/// `SIGHTLINE_KILLS=20` for the long version.
#[test]
fn a_job_killed_at_random_moments_ends_with_what_an_undisturbed_one_gives() {
    let Some(clip) = footage("opencv_vtest/vtest.avi") else { return };
    let kills: u64 = std::env::var("SIGHTLINE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let (undisturbed, job) = working_on(&clip);
    let wanted = result(&undisturbed, &job);
    assert!(wanted.len() > 3, "{wanted:?}");
    drop(undisturbed);

    let (mut deployment, job) = working_on(&clip);
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    for kill in 0..kills {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Later and later, so that it gets anywhere at all.
        std::thread::sleep(Duration::from_millis(u64::from(random >> 16) % (1500 + 300 * kill)));
        deployment.kill();
        deployment.serve();
    }
    let got = result(&deployment, &job);
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert_eq!(got, wanted);
}
