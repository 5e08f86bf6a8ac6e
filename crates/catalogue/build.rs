//! Lists the migrations, so that the library holds their texts: `sqlx::migrate!` would do the same, but it compiles SQLx and
//! SQLite a second time, for the compiler's own use.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)? + "/migrations";
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    println!("cargo::rerun-if-changed=migrations");
    for engine in ["sqlite", "postgres"] {
        let mut names = fs::read_dir(Path::new(&folder).join(engine))?
            .map(|file| file.map(|file| file.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        names.sort();
        // Relative to the package as it is compiled: a build folder shared by several clones must not remember one of them.
        let list: String = names
            .iter()
            .map(|name| {
                format!("({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/migrations/{engine}/{name}\"))),\n")
            })
            .collect();
        fs::write(Path::new(&out).join(format!("{engine}.rs")), format!("&[{list}]"))?;
    }
    Ok(())
}
