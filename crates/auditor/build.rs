//! What `--version` says, of `sightline` as of `sightline-verify`.

use std::{env, error::Error, path::Path, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-env=SIGHTLINE_VERSION={}", version()?);
    Ok(())
}

/// The version, with the commit and its date in a release build: of `SIGHTLINE_COMMIT` ("0123456789ab 2026-03-01"), else of the
/// checkout, if it is one. A development build names none: it would be built anew for each commit.
fn version() -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=SIGHTLINE_COMMIT");
    let version = env::var("CARGO_PKG_VERSION")?;
    let given = env::var("SIGHTLINE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match given {
        Some(commit) => Some(commit),
        None if env::var("PROFILE")? == "release" => {
            for file in ["HEAD", "logs/HEAD"] {
                if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
                    println!("cargo::rerun-if-changed={path}");
                }
            }
            git(&["show", "--no-patch", "--format=%h %cs", "--abbrev=12", "HEAD"])
        }
        None => Some("development build".to_owned()),
    };
    Ok(commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})")))
}

/// What git says; `None` without git, and outside of a checkout.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}
