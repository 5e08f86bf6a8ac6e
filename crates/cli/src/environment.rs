//! What libraries read from the environment once, when they are loaded. It must be there before `main`, so this program starts
//! itself anew with it, in this same process: changing the environment of a running process is not safe.

use std::{env, ffi::OsStr, io, os::unix::process::CommandExt as _, process::Command};

/// How many arenas the C library gives threads. With every camera that comes and goes some more of them is kept and not used
/// again (60 kB a camera were measured). With one arena the memory of a process that runs for months stays flat.
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

/// Starts this program anew with what its environment lacks; returns where it lacks nothing.
///
/// # Errors
/// That it could not be started anew. It may go on: the door of ONNX Runtime refuses by itself, and memory is only memory.
pub(crate) fn complete(runs_on: bool) -> io::Result<()> {
    let (quiet, value) = vision::QUIET;
    let mut lacks = Vec::new();
    if env::var_os(quiet).as_deref() != Some(OsStr::new(value)) {
        lacks.push(vision::QUIET);
    }
    // Whoever starts it may choose another number.
    if runs_on && env::var_os(ARENAS.0).is_none() {
        lacks.push(ARENAS);
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    Err(again.args(arguments).envs(lacks).exec())
}
