//! Sees to it that the page is embedded anew when it was built anew, and that a missing page is no error.

use std::path::Path;

fn main() {
    // Where the page was never built, `ui` is watched for it; a path that is not there would build this crate each time.
    let watched = if Path::new("ui/dist").is_dir() { "ui/dist" } else { "ui" };
    println!("cargo::rerun-if-changed={watched}");
}
