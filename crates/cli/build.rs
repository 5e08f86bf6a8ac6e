//! Builds the set-up scripts of `models/` into the program, so that `sightline models fetch` needs no checkout.

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
    Ok(())
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
