//! The console in a real browser, against a real server with footage in which nobody is real.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use access::{Area, Budgets, Caller, Grant, Place, Purpose, Scope};
use serde_json::{Value, json};
use types::{AgencyId, CameraId, CaptureTime, CaseId, QueryPart, ReceiveTime, TimeWindow};

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

/// A key as an authenticator makes it: what an operator puts beside the other keys, and the private key (PKCS#8, base64).
fn passkey(file: &Path) -> String {
    let make = "const { privateKey, publicKey } = require('crypto').generateKeyPairSync('ec', { namedCurve: 'P-256' });
        const der = (key, type, as) => key.export({ type, format: 'der' }).toString(as);
        console.log(JSON.stringify([der(publicKey, 'spki', 'base64url'), der(privateKey, 'pkcs8', 'base64')]));";
    let made = Command::new("node").args(["-e", make]).output().unwrap();
    let [key, private]: [String; 2] = serde_json::from_slice(&made.stdout).unwrap();
    fs::write(file, serde_json::json!([{ "server": "localhost", "key": key }]).to_string()).unwrap();
    private
}

/// Grants with what they say, and the same with a bit of each changed: what the page reads must be what the program reads.
fn grants() -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut lines = String::new();
    for number in 0..1_000 {
        let grant = grant(number, &mut random);
        let mut bytes = grant.to_bytes();
        writeln!(lines, "{}", line(&bytes, grant.case.as_str())).unwrap();
        let at = random(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random(8);
        let case = Grant::from_bytes(&bytes).map_or(grant.case, |changed| changed.case);
        writeln!(lines, "{}", line(&bytes, case.as_str())).unwrap();
    }
    lines
}

fn grant(number: u64, random: &mut impl FnMut(u64) -> u64) -> Grant {
    let texts = ["", "Act 12", "a child of six\nwas last seen at the quay", "M\u{e4}dchen, \u{1f9d2}\u{feff}", "\u{202e}turned"];
    let from = random(4_000_000_000) as i64 * 1_000_000 - 1_000_000_000_000_000 + random(1_000_000) as i64;
    let opened = random(4_000_000_000) as i64 * 1_000_000;
    let mut some = |names: &[&str]| names.iter().filter(|_| random(2) == 0).map(ToString::to_string).collect::<Vec<_>>();
    let (cameras, agencies) = (some(&["gate", "a-1", "z_9", "hall"]), some(&["local", "transport"]));
    let classes = some(&["person", "car", "truck", "suitcase", "bicycle"]);
    let parts = some(&["upper", "lower", "carrying", "vehicle_colour", "stature"]);
    let mut text = || texts[random(5) as usize].to_owned();
    Grant {
        case: CaseId::new(&format!("case-{number}")).unwrap(),
        purpose: [Purpose::MissingPerson, Purpose::SeriousIncident, Purpose::Disaster][(number % 3) as usize],
        legal_basis: text(),
        reason: text(),
        emergency: number.is_multiple_of(4).then(&mut text),
        requester: Caller::from_uri("sightline://city.police/investigator/ines").unwrap(),
        scope: Scope {
            cameras: cameras.iter().map(|c| CameraId::new(c).unwrap()).collect(),
            agencies: agencies.iter().map(|a| AgencyId::new(a).unwrap()).collect(),
            area: Place::from_e6(random(180_000_001) as i32 - 90_000_000, random(360_000_001) as i32 - 180_000_000)
                .filter(|_| number.is_multiple_of(2))
                .map(|centre| Area { centre, radius_m: random(5_000) as u32 }),
            window: TimeWindow::new(
                CaptureTime::from_micros(from).unwrap(),
                CaptureTime::from_micros(from + 1 + random(1_000_000_000) as i64).unwrap(),
            )
            .unwrap(),
            classes: classes.iter().map(|c| c.parse().unwrap()).collect(),
            parts: parts.iter().map(|p| QueryPart::parse(p).unwrap()).collect(),
        },
        budgets: Budgets { queries: random(1_000) as u32, results: random(u64::from(u32::MAX)) as u32 },
        opened: ReceiveTime::from_micros(opened).unwrap(),
        expires: ReceiveTime::from_micros(opened + 1 + random(1_000_000) as i64).unwrap(),
    }
}

/// Bytes, and what they say to the program: `null` where it says no.
fn line(bytes: &[u8], case: &str) -> Value {
    let says = Grant::from_bytes(bytes).ok().map(|g| {
        json!({
            "case": g.case, "purpose": g.purpose.as_str(), "legal_basis": g.legal_basis, "reason": g.reason,
            "requester": g.requester.uri(), "cameras": g.scope.cameras, "agencies": g.scope.agencies,
            "from": g.scope.window.from().as_micros().to_string(), "to": g.scope.window.to().as_micros().to_string(),
            "classes": g.scope.classes.iter().map(|c| c.as_str()).collect::<Vec<_>>(),
            "parts": g.scope.parts.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
            "queries": g.budgets.queries, "results": g.budgets.results,
            "opened": g.opened.as_micros().to_string(), "expires": g.expires.as_micros().to_string(),
            "emergency": g.emergency.unwrap_or_default(),
            "area": g.scope.area.map(|a| { let (lat, lon) = a.centre.e6(); json!([lat, lon, a.radius_m]) }),
        })
    });
    json!({ "case": case, "bytes": hex::encode(bytes), "says": says })
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
    // The second door as well, and a passkey of the authoriser's that the specs know how to use.
    let config = deployment.home().join("sightline.toml");
    let text = fs::read_to_string(&config).unwrap();
    let opened = text.replace("[console]", "[console] # both doors").replace("serve = false", "serve = true");
    let opened = opened.replace("grafana = \"\"", "grafana = \"https://grafana.example/d/sightline\"");
    let opened = opened.replace("signatures = [\"key\"]", "signatures = [\"key\", \"passkey\"]");
    assert!(
        opened.contains("serve = true") && opened.contains("\"passkey\"]") && opened.contains("grafana.example"),
        "the configuration has other defaults"
    );
    fs::write(config, opened).unwrap();
    deployment.json(&["identity", "add", "judge", "--role", "authoriser", "--agency", "court"]);
    // Ends within 30 days; one ended a while ago, another long ago, and neither was renewed.
    deployment.json(&["identity", "add", "guest", "--role", "auditor", "--agency", "oversight", "--days", "5"]);
    deployment.note_ended("late", 20);
    deployment.note_ended("gone", 40);
    let private = passkey(&deployment.home().join("pki/grant-keys/oversight.authoriser.passkey"));
    deployment.serve();
    if page(&deployment).contains("The page was not built") {
        eprintln!("SKIPPED: the console's page was not built before this binary; scripts/console-page builds it");
        return;
    }
    for (agency, title) in [("local", "Town council"), ("transport", "Transport authority")] {
        deployment.json(&["agency", "add", agency, "--title", title]);
    }
    let cameras = [
        ("street", "local", "51.50070,-0.12460"),
        ("square", "local", "51.50140,-0.12380"),
        ("hall", "transport", "51.50210,-0.12300"),
    ];
    for (camera, agency, at) in cameras {
        let title = format!("place of {camera}");
        deployment.json(&["camera", "add", camera, "--agency", agency, "--title", &title, "--at", at]);
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

    fs::write(deployment.path("grants.jsonl"), grants()).unwrap();
    let output = deployment.path("playwright");
    fs::create_dir_all(&output).unwrap();
    // Somebody who works on one spec may name it.
    let only = std::env::var("SIGHTLINE_SPECS").ok();
    let done = specs
        .args(only.iter())
        .env("SIGHTLINE_BINARY", env!("CARGO_BIN_EXE_sightline"))
        .env("SIGHTLINE_HOME", deployment.home())
        .env("SIGHTLINE_SERVER", deployment.address())
        .env("SIGHTLINE_GRANTS", deployment.path("grants.jsonl"))
        .env("SIGHTLINE_CLIP", &street)
        .env("SIGHTLINE_PASSKEY", private)
        .env("SIGHTLINE_SERVER_PROCESS", deployment.process().to_string())
        .env("SIGHTLINE_TEST_OUTPUT", &output)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("passed"), "{said}");
    // The last spec ended it.
    if only.is_none() {
        deployment.reap();
    }
}
