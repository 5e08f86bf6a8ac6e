//! `verify` of what anybody may hand in: bounded memory, no waiting, and a clear error.

use std::{fs, process::Command};

use crate::deployment::{Deployment, spoken};

#[test]
fn verify_refuses_what_is_larger_than_any_export_or_receipt_with_little_memory_and_without_waiting() {
    let d = Deployment::new();
    let key = d.home().join("pki/log.pub");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // A terabyte that takes no room: an export, a receipt, a file of an export.
    let vast = |name: &str, begins: &[u8]| {
        fs::write(path(name), begins).unwrap();
        fs::File::options().write(true).open(path(name)).unwrap().set_len(1 << 40).unwrap();
    };
    vast("vast.zip", b"PK\x03\x04");
    vast("vast.txt", b"c2sp.org/tlog-proof@v1\n");
    fs::create_dir(path("folder")).unwrap();
    vast("folder/manifest.json", b"{");
    fs::create_dir_all((0..100).fold(path("deep"), |deep, _| deep.join("x"))).unwrap();
    fs::create_dir(path("many")).unwrap();
    for n in 0..66_000 {
        fs::write(path("many").join(n.to_string()), "").unwrap();
    }
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    assert!(Command::new("mkfifo").arg(path("pipe.zip")).status().unwrap().success());
    for name in ["vast.zip", "vast.txt", "folder", "deep", "many", "pipe", "pipe.zip"] {
        // Far less memory than there is in them; a minute would be hanging.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 4000000; exec timeout 60 \"$@\"", "sh", env!("CARGO_BIN_EXE_sightline"), "verify"]);
        command.arg(path(name)).arg("--log-key").arg(&key).env("SIGHTLINE_HOME", path("none")).env("NO_COLOR", "1");
        let (code, out, err) = spoken(&command.output().unwrap());
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {err}");
        assert!(err.starts_with("error: ") && err.contains("hint: "), "{name}: {err}");
    }
}
