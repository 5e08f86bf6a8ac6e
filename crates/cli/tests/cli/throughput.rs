//! How much more footage two cores do than one.

use std::{fs, time::Instant};

use crate::deployment::{Deployment, footage};

/// Seconds that a server on these cores, with as many workers, takes for the files, models loaded and all.
fn seconds(files: usize, bytes: &[u8], cores: &str) -> f64 {
    let mut deployment = Deployment::new();
    let workers = cores.split(',').count();
    let config = deployment.home().join("sightline.toml");
    let text = fs::read_to_string(&config).unwrap();
    let with_workers = text.replacen("workers = 0", &format!("workers = {workers}"), 1);
    assert_ne!(text, with_workers);
    fs::write(config, with_workers).unwrap();
    let folder = deployment.path("archive");
    fs::create_dir_all(&folder).unwrap();
    for n in 0..files {
        // Each with other bytes after its end.
        fs::write(folder.join(format!("{n}.avi")), [bytes, &[n as u8; 4]].concat()).unwrap();
    }
    deployment.serve_on(cores);
    let names: Vec<String> = (0..files).map(|n| format!("c{n}")).collect();
    deployment.furnish(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let began = Instant::now();
    for (n, camera) in names.iter().enumerate() {
        let file = folder.join(format!("{n}.avi"));
        let add = ["archive", "add", file.to_str().unwrap(), "--camera", camera, "--start", "2026-03-01T08:30:00Z"];
        deployment.json(&add);
    }
    let done = |deployment: &Deployment| {
        let jobs = deployment.json(&["archive", "list"])["jobs"].as_array().unwrap().clone();
        assert!(jobs.iter().all(|j| j["state"] != "failed"), "{jobs:?}");
        jobs.iter().filter(|j| j["state"] == "done").count()
    };
    deployment.wait_for("the archive", || done(&deployment) == files);
    began.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement, on a machine that does nothing else"]
fn an_archive_on_two_cores_takes_little_more_than_half_the_time_of_one() {
    let Some(clip) = footage("opencv_vtest/vtest.avi") else { return };
    let bytes = fs::read(&clip).unwrap();
    let files: usize = std::env::var("SIGHTLINE_FILES").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    // In turn, so that a machine that slows down slows both.
    for round in 0..2 {
        let (one, two) = (seconds(files, &bytes, "0"), seconds(files, &bytes, "0,1"));
        let all = files as f64 * 79.5;
        eprintln!(
            "round {round}: {all:.0} s of footage on one core in {one:.1} s ({:.1} x), on two in {two:.1} s ({:.1} x): {:.3} of twice",
            all / one,
            all / two,
            one / two / 2.0
        );
    }
}
