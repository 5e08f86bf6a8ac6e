//! Runs the set-up script this program was built with.
//!
//! The script does the fetching, through the clients of the package registries, and checks every digest. This program
//! opens no connection of its own for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use crate::{
    failure::{Failure, Outcome},
    output::Printer,
};

/// `models/` of the repository: scripts and manifest, by path.
const SETUP: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/setup.rs"));
const SCRIPT: &str = "fetch.py";

/// Gets what is missing into `cache`; what the script says goes to stderr.
///
/// `names`: none for the runtime and every default model.
pub(crate) fn fetch(cache: &Path, names: &[String], footage: bool, printer: Printer) -> Outcome {
    let folder = unpack(cache)?;
    printer.note(&format!("fetching models into {}", cache.display()));
    let status = Command::new("python3")
        .arg(folder.join(SCRIPT))
        .arg("--cache")
        .arg(cache)
        .args(footage.then_some("--footage"))
        .arg("--")
        .args(names)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|e| Failure::because("fetch", "run python3", &e).hint("install it: apt-get install python3 python3-venv"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new("fetch", "the models could not be fetched")
        .hint("the lines above say why; nothing half-fetched was kept, so try again"))
}

/// SHA-256 of the runtime library for this kind of machine, as the manifest pins it.
pub(crate) fn pinned_library() -> Option<String> {
    let (_, manifest) = SETUP.iter().find(|(name, _)| *name == "manifest.toml")?;
    let manifest: toml::Table = std::str::from_utf8(manifest).ok()?.parse().ok()?;
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let wheels = manifest.get("runtime")?.get("wheel")?.as_array()?;
    let wheel = wheels.iter().find(|w| w.get("target").and_then(|t| t.as_str()) == Some(&target))?;
    let files = wheel.get("files")?.as_array()?.iter();
    files.filter_map(|f| f.get("sha256")?.as_str()).next().map(str::to_owned)
}

/// Written anew each time, into a folder named by the content: an older program's scripts are never run.
fn unpack(cache: &Path) -> Outcome<PathBuf> {
    let mut hash = Sha256::new();
    for (name, bytes) in SETUP {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let folder = cache.join("setup").join(&hex::encode(hash.finalize())[..16]);
    for (name, bytes) in SETUP {
        let file = folder.join(name);
        let parent = file.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).and_then(|()| fs::write(&file, bytes)).map_err(|e| {
            Failure::because("fetch", format!("write {}", file.display()), &e)
                .hint("choose a folder you may write to with SIGHTLINE_CACHE")
        })?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_carries_the_script_the_manifest_and_the_converters() {
        for name in [SCRIPT, "manifest.toml"] {
            assert!(SETUP.iter().any(|(n, _)| *n == name), "{name}");
        }
        assert!(SETUP.iter().any(|(n, _)| n.starts_with("convert/")));
    }

    #[test]
    fn the_library_of_this_machine_is_pinned() {
        assert!(pinned_library().is_some_and(|d| d.len() == 64));
    }

    #[test]
    fn unpacking_twice_gives_the_same_files() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack(cache.path()).unwrap();
        assert_eq!(unpack(cache.path()).unwrap(), folder);
        for (name, bytes) in SETUP {
            assert_eq!(fs::read(folder.join(name)).unwrap(), *bytes, "{name}");
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_says_which_file_and_what_to_set() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let failure = unpack(&file).unwrap_err();
        assert!(failure.message.contains("file/setup/") && failure.hint.as_ref().unwrap().contains("SIGHTLINE_CACHE"));
    }
}
