//! Builds the set-up scripts of `models/` into the program, so that `sightline models fetch` needs no checkout, and what
//! `sightline --version` says.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let models = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../models").canonicalize()?;
    println!("cargo::rerun-if-changed=../../models");
    let mut files = Vec::new();
    collect(&models, &mut files)?;
    files.sort_unstable();
    let mut source = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&models)?.to_str().ok_or("a file name in models/ is not UTF-8")?;
        // Relative to the package as it is compiled: a build folder shared by several clones must not remember one of them.
        let path = format!("/../../models/{name}");
        writeln!(source, "    ({name:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")?;
    }
    source.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("setup.rs"), source)?;
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
    let output = std::process::Command::new("git").args(words).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// Scripts and manifests; never weights.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']));
        if path.is_dir() && !hidden && !path.ends_with("tests") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| ["py", "toml", "txt", "json"].iter().any(|known| e == *known)) && !hidden {
            files.push(path);
        }
    }
    Ok(())
}
