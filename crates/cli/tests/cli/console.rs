//! The console in a real browser, against a real server with footage in which nobody is real.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::deployment::Deployment;

/// Rendered clips; `None`, loudly, where there are none.
fn town(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SIGHTLINE_TOWN")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/town"), PathBuf::from);
    let file = root.join("seed1/video").join(name);
    if file.is_file() {
        return Some(file);
    }
    eprintln!("SKIPPED: {name} is not in {}; set SIGHTLINE_TOWN", root.display());
    None
}

/// Runs Playwright; `None`, loudly, where something that it needs is missing.
fn playwright() -> Option<Command> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/ui");
    let runner = ui.join("node_modules/@playwright/test/cli.js");
    let chromium = std::env::var_os("SIGHTLINE_CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    for (there, what) in [(node, "node"), (runner.is_file(), "crates/console/ui/node_modules"), (chromium.is_file(), "chromium")]
    {
        if !there {
            eprintln!("SKIPPED: the console's specs need {what}; scripts/test installs it");
            return None;
        }
    }
    let mut command = Command::new("node");
    command.current_dir(&ui).arg(runner).arg("test").env("CI", "true").env("SIGHTLINE_CHROMIUM", chromium);
    Some(command)
}

/// The first page that a console serves.
fn page(deployment: &Deployment) -> String {
    let mut console = deployment.command(&["console", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(console.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let host = answer["link"].as_str().unwrap().strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", host.rsplit(':').next().unwrap().parse().unwrap())).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    console.kill().unwrap();
    console.wait().unwrap();
    text
}

#[test]
fn every_role_does_its_main_job_in_the_console_by_keyboard_alone() {
    let (Some(street), Some(hall), Some(mut specs)) = (town("street.mp4"), town("hall.mp4"), playwright()) else { return };
    let mut deployment = Deployment::new();
    deployment.serve();
    if page(&deployment).contains("The page was not built") {
        eprintln!("SKIPPED: the console's page was not built before this binary; scripts/console-page builds it");
        return;
    }
    for (agency, title) in [("local", "Town council"), ("transport", "Transport authority")] {
        deployment.json(&["agency", "add", agency, "--title", title]);
    }
    for (camera, agency) in [("street", "local"), ("square", "local"), ("hall", "transport")] {
        deployment.json(&["camera", "add", camera, "--agency", agency, "--title", &format!("place of {camera}")]);
    }
    deployment.json(&["camera", "pause", "square", "--as", "camera-owner"]);
    for (file, camera) in [(&street, "street"), (&hall, "hall")] {
        let words = ["archive", "add", file.to_str().unwrap(), "--camera", camera, "--start", "2026-03-01T08:30:00Z"];
        deployment.json(&[&words[..], &["--sample-fps", "2", "--wait"]].concat());
    }
    let scope = ["--agency", "local", "--agency", "transport", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T10:00:00Z"];
    deployment.open_case("found-1", &scope);
    deployment.authorise("found-1");
    for (id, reason) in [("sign-1", "a bag was left in the hall"), ("refuse-1", "nothing in particular")] {
        let words = ["case", "open", "--id", id, "--purpose", "serious-incident", "--legal-basis", "order 2", "--reason", reason];
        deployment.json(&[&words[..], &scope[2..]].concat());
    }
    let urgent = [&scope[..], &["--emergency", "the night is cold"]].concat();
    deployment.open_case("urgent-1", &urgent);

    let output = deployment.path("playwright");
    fs::create_dir_all(&output).unwrap();
    let done = specs
        .env("SIGHTLINE_BINARY", env!("CARGO_BIN_EXE_sightline"))
        .env("SIGHTLINE_HOME", deployment.home())
        .env("SIGHTLINE_SERVER", deployment.address())
        .env("SIGHTLINE_CLIP", &street)
        .env("SIGHTLINE_SERVER_PROCESS", deployment.process().to_string())
        .env("SIGHTLINE_TEST_OUTPUT", &output)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("passed"), "{said}");
    // The last spec ended it.
    deployment.reap();
}
