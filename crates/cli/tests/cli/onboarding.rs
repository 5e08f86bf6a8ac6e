//! Cameras come in: asked by ONVIF, or by a table of them; and recordings whose names say when.

use std::{fs, io::Write, process::Stdio, time::Instant};

use serde_json::Value;

use crate::{
    deployment::{Deployment, spoken},
    onvif_device::{Device, PASSWORD, Quirks, USER, Wants},
};

fn with_agency() -> Deployment {
    let mut deployment = Deployment::new();
    deployment.serve();
    deployment.json(&["agency", "add", "harbour"]);
    deployment
}

/// Exit code, stdout, stderr, with this on standard input.
fn told(deployment: &Deployment, words: &[&str], input: &str) -> (i32, String, String) {
    let mut command = deployment.command(words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    spoken(&child.wait_with_output().unwrap())
}

fn json(deployment: &Deployment, words: &[&str], input: &str) -> Value {
    let (code, out, err) = told(deployment, &[words, &["--json"]].concat(), input);
    assert_eq!(code, 0, "{words:?}: {out} {err}");
    serde_json::from_str(&out).unwrap()
}

/// Every file of the home folder that has this in it.
fn holding(deployment: &Deployment, secret: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![deployment.home()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|b| b.windows(secret.len()).any(|w| w == secret.as_bytes())) {
                found.push(path.strip_prefix(deployment.home()).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_camera_is_probed_without_a_change_and_added_with_the_stream_that_is_chosen() {
    let deployment = with_agency();
    let camera = Device::start(Quirks {
        wants: Wants::Token,
        ahead: chrono::TimeDelta::hours(1),
        stream: "rtsp://admin:x@10.0.0.1:9/live?a=1&amp;b=2".into(),
        ..Quirks::default()
    });
    let host = camera.host();
    let probe = json(&deployment, &["camera", "probe", &host, "--user", USER, "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!((probe["login"].as_str(), probe["choice"]["profile"].as_str()), (Some("token"), Some("sub0")));
    assert_eq!(probe["clock"]["off"], true);
    assert!((3590.0..3610.0).contains(&probe["clock"]["ahead_s"].as_f64().unwrap()), "{probe}");
    assert_eq!(probe["stream"], "rtsp://127.0.0.1:9/live?a=…&b=…");
    let (_, text, _) =
        told(&deployment, &["camera", "probe", &host, "--user", USER, "--password-stdin"], &format!("{PASSWORD}\n"));
    for want in ["ahead", "wrong: set NTP", "H.265", "not decoded here", "chosen: sub0, the smallest"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert_eq!(deployment.json(&["camera", "list"])["cameras"].as_array().unwrap().len(), 0, "a probe adds nothing");

    let (code, out, _) = told(&deployment, &["camera", "probe", &host, "--user", USER, "--password-stdin", "--json"], "wrong\n");
    assert_ne!(code, 0);
    assert!(out.contains("\"off\":true"), "what is known is told all the same: {out}");

    let add = [
        "camera",
        "add",
        "quay",
        "--agency",
        "harbour",
        "--zone",
        "Europe/Berlin",
        "--onvif",
        &host,
        "--user",
        USER,
        "--password-stdin",
    ];
    let added = json(&deployment, &add, &format!("{PASSWORD}\n"));
    assert_eq!(added["id"], "quay");
    let kept = fs::read_to_string(deployment.home().join("secrets/cameras/quay.url")).unwrap();
    // Who named it is kept beside it, to be asked again.
    let device = format!("onvif http://{host}/onvif/device_service");
    assert_eq!(kept, format!("rtsp://operator:horse%20%26%20%3Cbattery%3E@127.0.0.1:9/live?a=1&b=2\n{device}\n"));
    assert_eq!(holding(&deployment, "battery%3E"), ["secrets/cameras/quay.url"]);
    assert!(camera.asked().iter().all(|asked| asked.contains("<c:Get") && !asked.contains("horse")));
}

#[test]
fn a_camera_outside_of_the_networks_is_not_asked_and_the_reason_is_told() {
    let deployment = Deployment::new();
    deployment.configure("[live]\nnetworks = [\"10.20.0.0/16\"]\n");
    let camera = Device::start(Quirks::default());
    let refused = deployment.refused(&["camera", "probe", &camera.host()]);
    assert_eq!(refused["reason"], "outside_networks");
    assert!(refused["hint"].as_str().unwrap().contains("[live] networks"), "{refused}");
    assert_eq!(camera.asked().len(), 0);
}

const ADDRESSES: usize = 12;

#[test]
fn a_thousand_cameras_come_in_by_a_table_all_or_none_and_the_same_table_again_changes_nothing() {
    let deployment = with_agency();
    let mut table = String::from("id,agency,title,address,user,password,lat,lon,zone,retention,purposes,hours\n");
    for n in 0..1000 {
        // Each that has one is watched, by a thread of its own.
        let address = if n < ADDRESSES { format!("rtsp://10.9.8.7/ch{n},op,hunter{n}X") } else { ",,".into() };
        table.push_str(&format!(
            "cam-{n},harbour,\"quay {n}, crane\",{address},51.5,-0.1,Europe/London,20d,disaster,06:00-22:00\n"
        ));
    }
    let config = deployment.home().join("sightline.toml");
    let text = fs::read_to_string(&config).unwrap().replace("[\"127.0.0.0/8\"]", "[\"10.0.0.0/8\"]");
    fs::write(config, text).unwrap();
    let mut deployment = deployment;
    deployment.terminate();
    deployment.serve();
    let file = deployment.path("cameras.csv");
    let file = file.to_str().unwrap();
    let count =
        |deployment: &Deployment| deployment.json(&["camera", "list", "--limit", "0"])["cameras"].as_array().unwrap().len();

    for (bad, why) in [
        ("bad!,harbour,,,,,,,,,,\n", "camera id"),
        ("late,nobody,,,,,,,,,,\n", "no agency nobody"),
        ("late,harbour,,rtsp://192.168.1.1/x,,,,,,,,\n", "no network that cameras may be in"),
        ("late,harbour,,,,,,,Mars/Base,,,\n", "no time zone"),
        ("cam-7,harbour,,,,,,,,,,\n", "twice"),
    ] {
        fs::write(file, format!("{table}{bad}")).unwrap();
        let refused = deployment.refused(&["camera", "import", file]);
        let told = refused.to_string();
        assert!(told.contains("line 1002") && told.contains(why) && !told.contains("hunter"), "{bad}: {told}");
        assert_eq!(count(&deployment), 0);
        assert_eq!(holding(&deployment, "hunter"), Vec::<String>::new());
    }

    fs::write(file, &table).unwrap();
    let dry = deployment.json(&["camera", "import", file, "--dry-run"]);
    assert_eq!((dry["added"].as_array().unwrap().len(), dry["dry_run"].as_bool()), (1000, Some(true)));
    assert_eq!(count(&deployment), 0);
    let began = Instant::now();
    let done = deployment.json(&["camera", "import", file]);
    eprintln!("1,000 cameras were imported in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!((done["added"].as_array().unwrap().len(), count(&deployment)), (1000, 1000));
    let again = deployment.json(&["camera", "import", file]);
    assert_eq!(again.to_string(), r#"{"added":[],"changed":[],"dry_run":false,"unchanged":1000}"#);
    let secrets = holding(&deployment, "hunter");
    assert!(secrets.len() == ADDRESSES && secrets.iter().all(|name| name.starts_with("secrets/cameras/")), "{:?}", &secrets[..3]);
    assert!(!deployment.log().contains("hunter"));

    // What is exported can be imported, and has no password.
    let exported = deployment.human(&["camera", "export"]);
    assert!(exported.lines().count() == 1001 && !exported.contains("hunter"), "{}", &exported[..300]);
    assert!(exported.contains("\"quay 7, crane\",rtsp://10.9.8.7/ch7,,,51.5,-0.1,Europe/London,20d,disaster,06:00-22:00"));
    fs::write(file, &exported).unwrap();
    assert_eq!(deployment.json(&["camera", "import", file])["unchanged"], 1000);

    // Another address and another zone are taken; another place is not.
    let small = "id,agency,title,address,zone\ncam-1,harbour,,rtsp://10.9.8.7/other,Europe/Paris\ncam-2,harbour,,,\n";
    fs::write(file, small).unwrap();
    let changed = deployment.json(&["camera", "import", file]);
    assert_eq!((changed["changed"].to_string(), &changed["unchanged"]), ("[\"cam-1\"]".to_owned(), &Value::from(1)));
    assert_eq!(holding(&deployment, "hunter1X"), Vec::<String>::new(), "the old password is forgotten");
    fs::write(file, "id,agency,title\ncam-3,harbour,elsewhere\n").unwrap();
    let refused = deployment.refused(&["camera", "import", file]);
    assert!(refused["error"].as_str().unwrap().contains("with another title"), "{refused}");
}

#[test]
fn recordings_are_dated_by_their_cameras_zone_and_a_preview_adds_nothing() {
    let deployment = with_agency();
    deployment.json(&["camera", "add", "gate", "--agency", "harbour"]);
    assert_eq!(deployment.json(&["camera", "zone", "gate", "Europe/Berlin"])["zone"], "Europe/Berlin");
    assert_eq!(deployment.json(&["camera", "list"])["cameras"][0]["zone"], "Europe/Berlin");
    let folder = deployment.path("archive");
    for name in ["2026-07-01/09/gate/30.00.mp4", "2026-01-01/09/gate/30.00.mp4", "2026-03-29/02/gate/30.00.mp4"] {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
    let archive = folder.to_str().unwrap();
    let pattern = ["archive", "add", archive, "--start-pattern", "%Y-%m-%d/%H/{camera}/%M.%S", "--preview"];
    let preview = deployment.json(&pattern);
    let starts: Vec<_> = preview["files"].as_array().unwrap().iter().map(|f| f["start"].as_str()).collect();
    assert_eq!(starts, [Some("2026-01-01T08:30:00Z"), None, Some("2026-07-01T07:30:00Z")]);
    assert!(preview["files"][1]["error"].as_str().unwrap().contains("does not exist in Europe/Berlin"));
    let frigate = deployment.json(&["archive", "add", archive, "--from-recorder", "frigate", "--preview"]);
    assert_eq!(frigate["files"][2]["start"], "2026-07-01T09:30:00Z");
    assert_eq!(deployment.json(&["archive", "list"])["jobs"].as_array().unwrap().len(), 0);
    assert!(deployment.human(&["archive", "layouts"]).contains("hikvision-export"));
    let without = deployment.refused(&["archive", "add", archive, "--start-pattern", "%Y-%m-%d/%H/*/%M.%S"]);
    assert!(without["error"].as_str().unwrap().contains("no camera is named"), "{without}");
}
