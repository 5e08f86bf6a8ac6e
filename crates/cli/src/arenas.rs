//! Memory of a process that runs for months. The C library gives threads arenas of their own; with every camera that comes and
//! goes some more of them is kept and not used again (60 kB a camera were measured). With one arena it stays flat.

use std::{env, io, os::unix::process::CommandExt as _, process::Command};

/// Read by the C library once, before `main`.
const VARIABLE: &str = "MALLOC_ARENA_MAX";

/// Starts this program anew in this same process with the limit, unless whoever started it has set one.
///
/// # Errors
/// That it could not: it goes on without.
pub(crate) fn limit() -> io::Result<()> {
    if env::var_os(VARIABLE).is_some() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    Err(again.args(arguments).env(VARIABLE, "1").exec())
}
