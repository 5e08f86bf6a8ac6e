//! Server and worker decode nothing themselves, and a decoder that dies costs its own camera.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    cameras::Cameras,
    deployment::{Deployment, footage},
    worker::Worker,
};

/// What of GStreamer's plugins and of libav a process has loaded.
fn loaded(process: u32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let of_media = |line: &&str| line.contains("/gstreamer-1.0/") || line.contains("libav") || line.contains("libgstlibav");
    maps.lines().filter(of_media).map(str::to_owned).collect()
}

/// The decoders of a process, by their numbers.
fn decoders(process: u32) -> Vec<u32> {
    let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: &u32| stat(*pid).rsplit(')').next().and_then(|s| s.split_whitespace().nth(1)?.parse::<u32>().ok());
    let word = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default() == b"sightline\0decode\0";
    all.filter(|pid| parent(pid) == Some(process) && word(pid)).collect()
}

/// What each camera is doing.
fn statuses(deployment: &Deployment) -> Vec<Value> {
    deployment.json(&["camera", "status"])["cameras"].as_array().unwrap().clone()
}

fn losses(deployment: &Deployment) -> Vec<u64> {
    let mut all: Vec<u64> = statuses(deployment).iter().map(|c| c["losses"].as_u64().unwrap_or_default()).collect();
    all.sort_unstable();
    all
}

fn all_live(deployment: &Deployment) -> bool {
    let all = statuses(deployment);
    all.len() == CAMERAS.len() && all.iter().all(|camera| camera["state"] == "live")
}

const CAMERAS: [&str; 3] = ["near", "far", "other"];

#[test]
fn server_and_worker_load_no_decoder_and_one_that_is_killed_is_a_fault_of_its_camera_alone() {
    let Some(clip) = footage("opencv_vtest/vtest.avi") else { return };
    let Some(people) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    let cameras = Cameras::start(CAMERAS.len(), &[&people], 20);
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&CAMERAS);
    let mut worker = Worker::new(&deployment, "worker", deployment.address(), None);
    for (number, camera) in CAMERAS.iter().enumerate() {
        worker.knows(camera, &cameras.url(number));
    }
    deployment.wait_for("cameras", || all_live(&deployment));
    let clip = clip.to_str().unwrap();
    deployment.json(&["archive", "add", clip, "--camera", "near", "--start", "2026-03-01T08:30:00Z"]);
    deployment
        .wait_for("a decoder of footage", || decoders(deployment.process()).iter().any(|decoder| !loaded(*decoder).is_empty()));
    assert_eq!(decoders(worker.process()).len(), CAMERAS.len());
    for process in [deployment.process(), worker.process()] {
        assert_eq!(loaded(process), Vec::<String>::new());
        for decoder in decoders(process) {
            let read = |name: &str| fs::read(format!("/proc/{decoder}/{name}")).unwrap_or_default();
            let (status, environment) = (read("status"), read("environ"));
            let (status, environment) = (String::from_utf8_lossy(&status), String::from_utf8_lossy(&environment));
            // Unless it is over.
            if status.contains("Threads") && !status.contains("State:\tZ") {
                assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
            }
            assert!(!environment.contains("SIGHTLINE") && !environment.contains("HOME"), "{environment}");
        }
    }
    let before = losses(&deployment);
    let victim = decoders(worker.process())[0];
    assert!(Command::new("kill").args(["-KILL", &victim.to_string()]).status().unwrap().success());
    deployment.wait_for("a fault", || losses(&deployment) != before);
    deployment.wait_for("cameras again", || all_live(&deployment));
    assert_eq!(losses(&deployment).iter().sum::<u64>(), before.iter().sum::<u64>() + 1);
    let told = worker.told("a decoder died");
    assert_eq!(told.len(), 1, "{}", worker.log());
    assert!(told[0]["reason"].as_str().unwrap().contains("SIGKILL"), "{told:?}");
    worker.stop();
    deployment.terminate();
}
