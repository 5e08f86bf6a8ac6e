//! Live cameras, as `camera status` tells of them: those of others, and one behind a line that loses packets.

use std::{io::Write, process::Stdio};

use serde_json::Value;

use crate::{
    cameras::Cameras,
    deployment::{Deployment, footage, spoken},
    onvif_partner::{PASSWORD, Partner, USER},
};

fn of(deployment: &Deployment, camera: &str) -> Value {
    let all = deployment.json(&["camera", "status"]);
    all["cameras"].as_array().unwrap().iter().find(|c| c["camera"] == camera).cloned().unwrap_or_default()
}

/// From what was found on the network to a picture, as `docs/cameras.md` says it.
fn comes_in(deployment: &Deployment, id: &str, partner: &Partner) {
    let host = partner.host();
    let here: &[&str] = if partner.by_multicast { &[] } else { &["--subnet", "127.0.0.1/32", "--no-multicast"] };
    let found = deployment.json(&[&["camera", "discover", "--wait", "3s"], here].concat());
    // By whichever of the machine's addresses it answered.
    let is_it = |c: &Value| c["host"].as_str().is_some_and(|host| host.ends_with(&format!(":{}", partner.port)));
    assert!(found["cameras"].as_array().unwrap().iter().any(is_it), "{id}: {found}");
    let add = ["camera", "add", id, "--agency", "transit", "--onvif", &host, "--user", USER, "--password-stdin", "--json"];
    let mut command = deployment.command(&add);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let (code, out, err) = spoken(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{id}: {out} {err}");
    deployment.wait_for("a picture", || of(deployment, id)["frames"].as_u64() > Some(0));
}

#[test]
fn cameras_of_others_are_found_added_and_watched() {
    let Some(people) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    let mut cameras = Cameras::start(1, &[&people], 20);
    cameras.tell(&format!("password 0 {PASSWORD}"));
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&[]);
    // One at a time: both listen for those who look for cameras.
    if let Some(partner) = Partner::ipycam(cameras.port(0)) {
        comes_in(&deployment, "ipycam", &partner);
    }
    if let Some(partner) = Partner::onvif_server(cameras.port(0)) {
        comes_in(&deployment, "onvif-server", &partner);
    }
}

/// The pictures after a loss are made from what did not come: they are counted, and the camera stays.
#[test]
fn pictures_that_lack_their_key_picture_are_counted_and_the_camera_goes_on() {
    let Some(people) = footage("intel_ccby/one-by-one-person-detection.mp4") else { return };
    let mut cameras = Cameras::start(1, &[&people], 20);
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.furnish(&["gate"]);
    deployment.json(&["camera", "source", "gate", &cameras.url(0)]);
    deployment.wait_for("pictures", || of(&deployment, "gate")["frames"].as_u64() > Some(20));
    assert_eq!(of(&deployment, "gate")["without_key"], 0, "nothing is lost yet: {}", of(&deployment, "gate"));
    cameras.tell("lossy 0 200");
    deployment.wait_for("a loss", || of(&deployment, "gate")["without_key"].as_u64() > Some(5));
    let shown = deployment.human(&["camera", "status"]);
    assert!(shown.contains("pictures without their key picture"), "{shown}");
    cameras.tell("lossy 0 0");
    let before = of(&deployment, "gate");
    deployment.wait_for("more pictures", || {
        let now = of(&deployment, "gate");
        now["state"] == "live" && now["frames"].as_u64() > before["frames"].as_u64().map(|frames| frames + 20)
    });
    let after = of(&deployment, "gate");
    assert_eq!(after["losses"], before["losses"], "a loss of packets ends no connection: {after}");
}
