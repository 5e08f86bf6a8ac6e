//! `sightline-verify` as an auditor has it: files, a key, and no home folder, server or network.
//!
//! The files are those that an earlier version left, `crates/cli/tests/fixtures`; its log's key goes by for nothing else.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/fixtures/upgrade-9a762c7.tar.xz");
        assert!(Command::new("tar").args(["-xJf", archive, "-C"]).arg(dir.path()).status().unwrap().success());
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("upgrade").join(name)
    }

    fn key(&self) -> PathBuf {
        self.path("home/pki/log.pub")
    }

    /// Exit code, stdout, stderr. Nothing of the environment is passed on.
    fn run(&self, words: &[&Path]) -> (i32, String, String) {
        let output = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn command(&self, words: &[&Path]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sightline-verify"));
        command.env_clear().args(words).stdin(Stdio::null()).current_dir(self.dir.path());
        command
    }
}

fn words<'a>(words: &[&'a str]) -> Vec<&'a Path> {
    words.iter().map(|word| Path::new(*word)).collect()
}

#[test]
fn exports_and_receipts_verify_with_the_key_alone_and_no_byte_can_be_another() {
    let case = Case::new();
    let (export, key) = (case.path("export.zip"), case.key());
    let verify = |what: &Path, key: &Path| case.run(&[what, Path::new("--log-key"), key, Path::new("--json")]);
    let (code, out, err) = verify(&export, &key);
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&answer["verified"], &answer["sightings"]), (&true.into(), &10.into()), "{answer}");
    // For people, in the words of `sightline verify`; an earlier version had no proofs of what was seen.
    let (code, out, _) = case.run(&[&export, Path::new("--log-key"), &key]);
    assert!(code == 0 && out.starts_with("export of case ") && out.contains("NO PROOF"), "{out}");

    let files = auditor::bundle::read(&export).unwrap();
    let receipt = case.path("receipt.txt");
    fs::write(&receipt, &files["receipt.tlog-proof"]).unwrap();
    let (code, out, err) = verify(&receipt, &key);
    assert_eq!(code, 0, "{err}");
    let of_receipt: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&of_receipt["entry"], &of_receipt["content"]["action"]), (&answer["entry"], &"export".into()), "{of_receipt}");

    for (path, whole) in [(&export, fs::read(&export).unwrap()), (&receipt, fs::read(&receipt).unwrap())] {
        for n in 0..20 {
            let at = n * (whole.len() - 1) / 19;
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(path, &changed).unwrap();
            let (code, out, err) = verify(path, &key);
            assert_eq!((code, out.as_str()), (1, ""), "byte {at} of {}", path.display());
            let failure: Value = serde_json::from_str(&err).unwrap();
            assert!(failure["reason"].is_string() && failure["hint"].is_string(), "{failure}");
        }
        fs::write(path, &whole).unwrap();
    }
    // Another log's key, of the same name.
    let other = case.path("other.key");
    let name = fs::read_to_string(&key).unwrap().split('+').next().unwrap().to_owned();
    audit_log::make_key(&name, access::log::KeyKind::Log, &other).unwrap();
    for what in [&export, &receipt] {
        assert_eq!(verify(what, &audit_log::public_half(&other)).0, 1);
    }
}

#[test]
fn a_log_is_whole_and_grew_or_the_program_says_so_with_an_exit_code() {
    let case = Case::new();
    let (log, key) = (case.path("home/log"), case.key());
    let verify = |more: &[&Path]| {
        let all = [Path::new("log"), Path::new("--json"), Path::new("--dir"), &log, Path::new("--log-key"), &key];
        case.run(&[&all, more].concat())
    };
    let (code, out, err) = verify(&[]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["entries"], 44, "{out}");
    let checkpoint = log.join("checkpoint");
    let same = [Path::new("--from"), &checkpoint, Path::new("--to"), &checkpoint];
    assert_eq!(verify(&same).0, 0);

    let tile = log.join("tile/0/000.p/44");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[100] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let (code, out, err) = verify(&[]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&err).unwrap()["reason"], "log", "{err}");
}

#[test]
fn what_is_missing_on_the_command_line_is_said_with_an_exit_code_of_its_own() {
    let case = Case::new();
    for line in [&[][..], &["export.zip"], &["log", "--dir", "log"], &["witness"], &["x", "--log-key", "k", "--home", "h"]] {
        let (code, out, err) = case.run(&words(line));
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}: {err}");
        assert!(err.starts_with("error: ") && err.contains("\nhint: "), "{line:?}: {err}");
    }
    let key = case.key();
    let export = case.path("export.zip");
    let (code, _, err) = case.run(&[&export, Path::new("--log-key"), &key, Path::new("--quorum"), Path::new("1")]);
    assert_eq!(code, 2, "{err}");
    let (code, help, _) = case.run(&words(&["--help"]));
    assert!(code == 0 && help.starts_with("Check a receipt or an export") && !help.contains("home folder"), "{help}");
}

#[test]
fn a_witness_signs_a_log_that_grew() {
    let case = Case::new();
    let key = case.path("witness.key");
    let all = words(&["witness", "--json", "--listen", "127.0.0.1:0", "--name", "witness.example"]);
    let log_key = case.key();
    let all = [&all[..], &[Path::new("--key"), &key, Path::new("--log-key"), &log_key]].concat();
    let mut running = case.command(&all).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    assert!(said["key"].as_str().unwrap().starts_with("witness.example+"), "{said}");

    let checkpoint = fs::read_to_string(case.path("home/log/checkpoint")).unwrap();
    let body = format!("old 0\n\n{checkpoint}");
    let mut answer = String::new();
    let mut socket = TcpStream::connect(said["listening"].as_str().unwrap()).unwrap();
    write!(socket, "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    socket.read_to_string(&mut answer).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, signature) = answer.split_once("\r\n\r\n").unwrap();
    assert!(signature.starts_with("\u{2014} witness.example "), "{answer}");
    // The checkpoint with the signature under it is what an auditor asks for.
    fs::write(case.path("home/log/checkpoint"), format!("{checkpoint}{signature}")).unwrap();
    let log = case.path("home/log");
    let with = [Path::new("log"), Path::new("--dir"), &log, Path::new("--log-key"), &log_key, Path::new("--witness-key")];
    let public = audit_log::public_half(&key);
    let (code, out, err) = case.run(&[&with[..], &[&public]].concat());
    assert!(code == 0 && out.ends_with("44 entries whole, witnessed by witness.example"), "{out}{err}");
}

#[test]
fn the_version_says_what_it_was_built_of() {
    let (code, said, _) = Case::new().run(&words(&["--version"]));
    assert_eq!((code, said), (0, format!("sightline-verify {}", auditor::VERSION)));
    // A commit with its date, or that it is none's; nothing outside of a checkout.
    let of = auditor::VERSION.strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
    assert!(of.is_empty() || (of.starts_with(" (") && of.ends_with(')')), "{of}");
}
