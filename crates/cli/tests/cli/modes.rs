//! Files and folders are their owner's alone, whatever the umask of whoever starts the program.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::deployment::{Deployment, binary, spoken};

/// The program under an umask that takes nothing away.
fn lavish() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sightline")]);
    command.env_remove("SIGHTLINE_HOME").env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// What others than the owner may do anything with.
fn open_to_others(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.permissions().mode() & 0o077 != 0 {
            found.push(path.clone());
        }
        if metadata.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[test]
fn after_a_whole_run_nothing_in_the_home_folder_nor_what_was_written_out_is_open_to_others() {
    let mut d = Deployment::new();
    let out = d.path("out");
    fs::DirBuilder::new().mode(0o700).create(&out).unwrap();
    fs::remove_dir_all(d.home()).unwrap();
    let (code, _, err) = spoken(&lavish().args(["init", "--demo", "--home"]).arg(d.home()).output().unwrap());
    assert_eq!(code, 0, "{err}");
    // In its place, so that it keeps its mode.
    d.configure("");
    d.serve_under(lavish());
    d.furnish(&["hall"]);
    d.open_case("k1", &["--agency", "transit", "--from", "2026-03-01T08:00:00Z", "--to", "2026-03-01T09:00:00Z"]);
    d.authorise("k1");
    let receipt = out.join("receipt.txt");
    let run = |words: &[&str]| {
        let mut command = lavish();
        let (code, said, err) = spoken(&command.args(words).arg("--home").arg(d.home()).output().unwrap());
        assert_eq!(code, 0, "{words:?}: {said} {err}");
    };
    run(&["search", "--case", "k1", "--class", "person", "--receipt", receipt.to_str().unwrap()]);
    let source = "rtsp://somebody:secret@192.0.2.1:9/none";
    run(&["camera", "source", "hall", source]);
    run(&["identity", "add", "ines", "--role", "investigator", "--agency", "transit"]);
    run(&["index", "rebuild"]);
    run(&["check"]);
    d.terminate();
    let mut found = Vec::new();
    open_to_others(&d.home(), &mut found);
    open_to_others(&out, &mut found);
    assert_eq!(fs::metadata(d.home()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(found, Vec::<PathBuf>::new());
    assert!(receipt.is_file());
}

#[test]
fn a_home_folder_that_others_may_enter_is_refused_with_the_command_that_mends_it() {
    let d = Deployment::new();
    fs::set_permissions(d.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let empty = d.path("empty");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o750)).unwrap();
    for (word, home) in [("serve", d.home()), ("init", empty)] {
        let (code, _, err) = spoken(&binary().arg(word).arg("--home").arg(&home).output().unwrap());
        assert_eq!(code, 1, "{err}");
        assert!(err.contains(&format!("chmod 700 '{}'", home.display())), "{err}");
    }
}
