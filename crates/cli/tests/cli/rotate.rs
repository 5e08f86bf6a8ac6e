//! Keys are exchanged without a new deployment: callers go on, everything of before is believed, and no kill leaves half of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use access::log::KeyKind;
use serde_json::Value;

use crate::deployment::{Deployment, binary, spoken};

const SCOPE: [&str; 6] = ["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"];

/// Somebody with a home folder of their own calls the server.
fn call(d: &Deployment, home: &Path, words: &[&str]) -> (i32, String, String) {
    spoken(&binary().arg("--home").arg(home).args(["--server", d.address(), "--json"]).args(words).output().unwrap())
}

fn actions(d: &Deployment, home: &Path, identity: &str) -> Vec<(String, String)> {
    let (code, out, err) = call(d, home, &["log", "list", "--limit", "0", "--as", identity]);
    assert_eq!(code, 0, "{err}");
    let listed: Value = serde_json::from_str(&out).unwrap();
    let of = |e: &Value| {
        (e["action"].as_str().unwrap().to_owned(), e["canonical"]["detail"]["key_sha256"].as_str().unwrap_or_default().to_owned())
    };
    listed["entries"].as_array().unwrap().iter().filter(|e| e["outcome"] == "permitted").map(of).collect()
}

/// Kills a command ever later until it has got through once, and looks after each time.
fn killed_ever_later(d: &Deployment, words: &[&str], mut look: impl FnMut()) -> u32 {
    let (mut kills, mut wait) = (0, Duration::from_millis(8));
    loop {
        let mut child = d.command(words).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < wait && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            return kills;
        }
        // The one that was killed had done all but say so.
        if spoken(&output).2.contains("exchanged already") {
            return kills;
        }
        assert!(output.status.code().is_none(), "{:?}", spoken(&output));
        look();
        wait += wait / 8 + Duration::from_millis(1);
    }
}

#[test]
fn a_running_server_takes_another_certificate_and_a_killed_exchange_leaves_one_that_works() {
    let mut d = Deployment::new();
    d.serve();
    let file = d.home().join("pki/server.pem");
    let before = fs::read(&file).unwrap();
    let done = d.json(&["rotate", "server", "--name", "cameras.example"]);
    assert_eq!((&done["rotated"], &done["reloaded"]), (&"server".into(), &true.into()), "{done}");
    assert!(done["hosts"].as_array().unwrap().contains(&"cameras.example".into()), "{done}");
    assert_ne!(fs::read(&file).unwrap(), before);
    d.json(&["camera", "list"]);
    let shown = Command::new("openssl").args(["s_client", "-showcerts", "-connect", d.address()]).stdin(Stdio::null()).output();
    let shown = String::from_utf8_lossy(&shown.unwrap().stdout).into_owned();
    let ours = fs::read_to_string(&file).unwrap();
    assert!(shown.contains(ours.lines().nth(1).unwrap()), "the server shows another certificate: {shown}");
    // The names of before are kept, the certificate is on the record before anybody is shown it.
    let again = d.json(&["rotate", "server"]);
    assert!(again["hosts"].as_array().unwrap().contains(&"cameras.example".into()), "{again}");
    let listed = d.json(&["log", "list", "--limit", "0"]);
    let servers =
        listed["entries"].as_array().unwrap().iter().filter(|e| e["canonical"]["detail"]["service"] == "server").count();
    assert_eq!(servers, 3, "{listed}");
    d.terminate();

    let kills = killed_ever_later(&d, &["rotate", "server"], || ());
    assert!(kills > 3, "it was never cut off");
    d.serve();
    d.json(&["camera", "list"]);
    // Half of an exchange, as a kill leaves it, is finished by the server.
    d.terminate();
    let next = d.home().join("pki/server.next");
    fs::create_dir(&next).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::rename(d.home().join("pki").join(name), next.join(name)).unwrap();
    }
    fs::copy(next.join("server.key"), d.home().join("pki/server.key")).unwrap();
    d.serve();
    d.json(&["camera", "list"]);
    assert!(!next.exists());
}

#[test]
fn two_authorities_are_trusted_until_the_old_one_is_dropped() {
    let mut d = Deployment::new();
    d.serve();
    let (ann, ben) = (d.path("ann"), d.path("ben"));
    d.json(&["identity", "add", "ann", "--role", "operator", "--agency", "local", "--out", ann.to_str().unwrap()]);
    let list = ["camera", "list", "--as"];
    let may = |d: &Deployment, home: &Path, who: &str| call(d, home, &[&list[..], &[who]].concat());
    assert_eq!(may(&d, &ann, "ann").0, 0);
    assert!(d.refused(&["rotate", "authority", "--drop-old"])["error"].as_str().unwrap().contains("one authority"));

    let done = d.json(&["rotate", "authority"]);
    assert_eq!((&done["trusted"], &done["reloaded"]), (&2.into(), &true.into()), "{done}");
    assert!(d.refused(&["rotate", "authority"])["hint"].as_str().unwrap().contains("--drop-old"));
    d.json(&["identity", "add", "ben", "--role", "auditor", "--agency", "oversight", "--out", ben.to_str().unwrap()]);
    assert_eq!((may(&d, &ann, "ann").0, may(&d, &ben, "ben").0), (0, 0), "issued by either");

    // The server's own is of the old one: it can't be dropped under everybody's feet.
    assert!(d.refused(&["rotate", "authority", "--drop-old", "--cut-off"])["hint"].as_str().unwrap().contains("rotate server"));
    d.json(&["rotate", "server"]);
    assert_ne!(may(&d, &ann, "ann").0, 0, "who was not told of the new authority believes no server of it");
    fs::copy(d.home().join("pki/ca.pem"), ann.join("pki/ca.pem")).unwrap();
    assert_eq!(may(&d, &ann, "ann").0, 0);
    let refused = d.refused(&["rotate", "authority", "--drop-old"]);
    assert!(
        refused["error"].as_str().unwrap().contains("sightline://") || refused["error"].as_str().unwrap().contains("ann"),
        "{refused}"
    );
    let done = d.json(&["rotate", "authority", "--drop-old", "--cut-off"]);
    assert_eq!((&done["trusted"], &done["reloaded"]), (&1.into(), &true.into()), "{done}");
    assert_eq!(may(&d, &ben, "ben").0, 0);
    let (code, _, err) = may(&d, &ann, "ann");
    assert_ne!(code, 0, "{err}");

    let words: Vec<(String, String)> =
        actions(&d, &ben, "ben").into_iter().filter(|(action, _)| action.starts_with("authority.")).collect();
    let said: Vec<&str> = words.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(said, ["authority.trust", "authority.trust", "authority.drop"], "{words:?}");
    assert_eq!(words[0].1, words[2].1, "the first is the one that was dropped");
    // Somebody puts the old one back: it counts again, and the record says so.
    d.terminate();
    fs::copy(d.path("ann").join("pki/ca.pem"), d.home().join("pki/ca.pem")).unwrap();
    d.serve();
    let again = actions(&d, &ben, "ben").into_iter().rfind(|(action, _)| action.starts_with("authority.")).unwrap();
    assert_eq!(again, ("authority.trust".to_owned(), words[0].1.clone()));
}

#[test]
fn an_exchange_of_the_authority_that_is_killed_leaves_one_that_issues() {
    let d = Deployment::new();
    let kills = killed_ever_later(&d, &["rotate", "authority"], || ());
    assert!(kills > 3, "it was never cut off");
    d.json(&["identity", "add", "ann", "--role", "operator", "--agency", "local"]);
    // A certificate and the key of another are noticed, not issued by.
    let other = Deployment::new();
    fs::copy(other.home().join("pki/ca.key"), d.home().join("pki/ca.key")).unwrap();
    let refused = d.refused(&["identity", "add", "ben", "--role", "operator", "--agency", "local"]);
    assert!(refused["error"].as_str().unwrap().contains("is not the key of"), "{refused}");
}

/// A witness, and what it says of itself.
struct Witness(std::process::Child, String, String);

impl Witness {
    fn start(d: &Deployment, log_key: &Path) -> Self {
        let mut child = binary()
            .args(["--json", "witness", "--listen", "127.0.0.1:0", "--name", "witness.example", "--key"])
            .arg(d.path("witness.key"))
            .arg("--log-key")
            .arg(log_key)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let word = |name: &str| said[name].as_str().unwrap().to_owned();
        Self(child, word("key"), word("listening"))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_log_goes_on_with_a_key_that_the_one_before_introduced_and_with_no_other() {
    let mut d = Deployment::new();
    let old_key = d.path("old.pub");
    fs::copy(d.home().join("pki/log.pub"), &old_key).unwrap();
    // The witness knows the first key, and is never told of another.
    let witness = Witness::start(&d, &old_key);
    d.configure(&format!("[log]\nwitnesses = [{{ key = \"{}\", url = \"http://{}\" }}]\nquorum = 1\n", witness.1, witness.2));
    d.serve();
    d.furnish(&["hall"]);
    let (early, late) = (d.path("early"), d.path("late"));
    let receipt = |d: &Deployment, file: &Path| {
        d.json(&["log", "receipt", "1", "--out", file.to_str().unwrap(), "--as", "auditor"]);
    };
    receipt(&d, &early);
    assert!(d.refused(&["rotate", "log-key"])["hint"].as_str().unwrap().contains("stop it"));
    d.terminate();
    let stolen = fs::read(d.home().join("pki/log.key")).unwrap();
    let before = d.home().join("log/checkpoint");
    fs::copy(&before, d.path("checkpoint-before")).unwrap();

    let done = d.json(&["rotate", "log-key"]);
    let new_key = d.home().join("pki/log.pub");
    assert_eq!(done["key"].as_str().unwrap(), fs::read_to_string(&new_key).unwrap().trim());
    assert_eq!(done["old"].as_str().unwrap(), fs::read_to_string(&old_key).unwrap().trim());
    assert_ne!(done["key"], done["old"]);
    assert_ne!(fs::read(d.home().join("pki/log.key")).unwrap(), stolen, "the old key is still there");
    d.serve();
    receipt(&d, &late);
    let introduced = d.json(&["log", "list", "--action", "log_key.introduce"]);
    assert_eq!(introduced["entries"][0]["entry"], done["entry"], "{introduced}");

    // By the key of before and by the one of now, without server or network; the witness has seen both.
    let none = d.path("none");
    let verify = |file: &Path, key: &Path| {
        let mut command = binary();
        command.args(["--json", "verify"]).arg(file).arg("--log-key").arg(key);
        let command = command.args(["--witness-key", &witness.1]).env("SIGHTLINE_HOME", &none);
        spoken(&command.output().unwrap())
    };
    for (file, key) in [(&early, &old_key), (&late, &old_key), (&early, &new_key), (&late, &new_key)] {
        let (code, out, err) = verify(file, key);
        assert_eq!(code, 0, "{} by {}: {err}", file.display(), key.display());
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["witnessed"][0], "witness.example");
    }
    // The new key alone knows nothing of the one before it: the file beside it says that.
    let bare = fs::read_to_string(&new_key).unwrap();
    assert_eq!(verify(&early, Path::new(bare.trim())).0, 1);
    assert_eq!(verify(&late, Path::new(bare.trim())).0, 0);
    d.json(&["log", "verify"]);
    d.json(&["log", "verify", "--log-key", old_key.to_str().unwrap()]);
    let now = d.home().join("log/checkpoint");
    d.json(&["log", "verify", "--from", d.path("checkpoint-before").to_str().unwrap(), "--to", now.to_str().unwrap()]);
    assert_eq!(d.json(&["check"])["clean"], true);
    d.terminate();

    // Without the line that introduces it the new key is a stranger to whoever knows the old one.
    let text = fs::read_to_string(&late).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let long = lines.iter().filter(|l| l.starts_with('\u{2014}')).max_by_key(|l| l.len()).unwrap();
    let cut = d.path("cut");
    fs::write(&cut, text.replace(&format!("{long}\n"), "")).unwrap();
    assert_eq!(verify(&cut, &old_key).0, 1);

    // The old key, stolen, signs nothing any more; and a key that nobody introduced neither.
    let pki = d.home().join("pki");
    let keep = |name: &str| fs::read(pki.join(name)).unwrap();
    let (key, public) = (keep("log.key"), keep("log.pub"));
    fs::write(pki.join("log.key"), &stolen).unwrap();
    fs::copy(&old_key, pki.join("log.pub")).unwrap();
    let refused = d.refused(&["serve"]);
    assert!(refused["error"].as_str().unwrap().contains("is not the log's key any more"), "{refused}");
    fs::remove_file(pki.join("log.introductions")).unwrap();
    assert!(d.refused(&["serve"])["error"].as_str().unwrap().contains("is not the log's key any more"));
    for name in ["log.key", "log.pub"] {
        fs::remove_file(pki.join(name)).unwrap();
    }
    let name = done["key"].as_str().unwrap().split('+').next().unwrap();
    audit_log::make_key(name, KeyKind::Log, &pki.join("log.key")).unwrap();
    d.refused(&["serve"]);
    d.refused(&["log", "verify"]);
    // A file that is behind the record is brought up to it.
    fs::write(pki.join("log.key"), &key).unwrap();
    fs::write(pki.join("log.pub"), &public).unwrap();
    d.serve();
    assert!(pki.join("log.introductions").is_file());
    receipt(&d, &late);
    assert_eq!(verify(&late, &old_key).0, 0);
}

#[test]
fn a_change_of_the_log_s_key_that_is_killed_leaves_a_log_with_exactly_one() {
    let mut d = Deployment::new();
    d.serve();
    d.furnish(&["hall"]);
    d.terminate();
    let first = d.path("first.pub");
    fs::copy(d.home().join("pki/log.pub"), &first).unwrap();
    let whole = || {
        // As it lies there, by the key of before everything.
        d.json(&["log", "verify", "--log-key", first.to_str().unwrap()]);
    };
    let kills = killed_ever_later(&d, &["rotate", "log-key"], whole);
    assert!(kills > 3, "it was never cut off");
    whole();
    let kept = fs::read_to_string(d.home().join("pki/log.pub")).unwrap();
    d.serve();
    assert_eq!(d.json(&["check"])["clean"], true);
    let listed = d.json(&["log", "list", "--action", "log_key.introduce"]);
    let begun = listed["entries"].as_array().unwrap().iter().filter(|e| e["outcome"] == "permitted").count();
    assert!(begun >= 1);
    d.terminate();
    // Laid ready, and the record says nothing of it: whoever opens the log clears it away.
    let next = d.home().join("pki/log.next");
    fs::create_dir(&next).unwrap();
    audit_log::make_key("sightline.local.0", KeyKind::Log, &next.join("log.key")).unwrap();
    d.serve();
    assert!(!next.exists());
    assert_eq!(fs::read_to_string(d.home().join("pki/log.pub")).unwrap(), kept);
}

#[test]
fn an_authoriser_s_next_key_signs_and_what_the_one_before_signed_goes_on_counting() {
    let mut d = Deployment::new();
    d.serve();
    d.furnish(&["hall"]);
    d.open_case("k1", &SCOPE);
    d.authorise("k1");
    let old = fs::read(d.home().join("pki/identities/authoriser.grant.key")).unwrap();
    let done = d.json(&["rotate", "grant-key", "authoriser", "--agency", "oversight"]);
    assert_eq!((&done["owner"], &done["needs_restart"]), (&"oversight.authoriser".into(), &true.into()), "{done}");
    assert!(d.json(&["reload"])["needs_restart"].as_array().unwrap().contains(&"grant keys".into()));
    d.terminate();
    d.serve();
    let search = |case: &str| d.command(&["search", "--case", case, "--class", "person", "--json"]).output().unwrap();
    let (code, _, err) = spoken(&search("k1"));
    assert_eq!(code, 0, "{err}");
    d.open_case("k2", &SCOPE);
    d.authorise("k2");
    let (code, _, err) = spoken(&search("k2"));
    assert_eq!(code, 0, "{err}");
    // The old key has ended.
    d.open_case("k3", &SCOPE);
    fs::write(d.home().join("pki/identities/authoriser.grant.key"), old).unwrap();
    let refused = d.refused(&["case", "authorise", "k3", "--yes"]);
    assert_eq!(refused["reason"], "bad_signature", "{refused}");
    let trusted = d.json(&["log", "list", "--action", "grant_key.trust"]);
    let times: Vec<_> = trusted["entries"].as_array().unwrap().iter().filter(|e| e["outcome"] == "permitted").collect();
    assert_eq!(times.len(), 3, "the first, its end, and the next: {trusted}");
    assert!(times.iter().any(|e| e["canonical"]["detail"]["key_until"].is_string()), "{trusted}");

    let absent = d.refused(&["rotate", "grant-key", "nobody", "--agency", "oversight"]);
    assert!(absent["error"].as_str().unwrap().contains("no grant key"), "{absent}");
    let later = d.refused(&["rotate", "grant-key", "authoriser", "--agency", "oversight", "--at", "2999-01-01T00:00:00Z"]);
    assert!(later["hint"].as_str().unwrap().contains("--out"), "{later}");
    fs::write(d.home().join("pki/grant-keys/oversight.authoriser.pem"), "not-aftr: 2026-01-01T00:00:00Z\n").unwrap();
    d.terminate();
    assert!(d.refused(&["serve"])["error"].as_str().unwrap().contains("not-after"));
}

#[test]
fn whoever_makes_a_deployment_hands_out_every_key_that_its_server_does_not_need() {
    let mut d = Deployment::new();
    fs::remove_dir_all(d.home()).unwrap();
    let made = d.json(&["init"]);
    let out = d.path("home-hand-out");
    assert_eq!(made["hand_out"].as_str().unwrap(), out.to_str().unwrap());
    assert!(!d.home().join("pki/ca.key").exists() && !d.home().join("pki/identities/operator.key").exists());
    d.configure("");
    d.serve();
    let (code, _, err) = call(&d, &out.join("operator"), &["agency", "add", "transit", "--title", "Transit"]);
    assert_eq!(code, 0, "{err}");
    // Without the authority's folder nothing is issued; with it, into a folder beside it.
    let refused = d.refused(&["identity", "add", "olga", "--role", "operator", "--agency", "local"]);
    assert!(refused["hint"].as_str().unwrap().contains("--authority"), "{refused}");
    let authority = out.join("authority");
    let authority = ["--authority", authority.to_str().unwrap()];
    d.json(&[&["identity", "add", "olga", "--role", "operator", "--agency", "local"], &authority[..]].concat());
    assert_eq!(call(&d, &out.join("olga"), &["camera", "list", "--as", "olga"]).0, 0);
    d.json(&[&["rotate", "server"], &authority[..]].concat());
    assert_eq!(call(&d, &out.join("operator"), &["camera", "list"]).0, 0);
    // The authority may be another from its folder alone; the home folder has its certificates.
    d.json(&[&["rotate", "authority"], &authority[..]].concat());
    let bundle = fs::read(d.home().join("pki/ca.pem")).unwrap();
    assert_eq!(fs::read(out.join("authority/pki/ca.pem")).unwrap(), bundle);
    assert!(!d.home().join("pki/ca.key").exists());
    assert_eq!(call(&d, &out.join("operator"), &["camera", "list"]).0, 0);
    let hint = d.refused(&["camera", "list"])["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("handed out"), "{hint}");
}
