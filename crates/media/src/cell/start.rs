//! Starts a decoder for a task.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use super::{
    message::{Came, Job, Kind, Say, plain, receive, send},
    process::Cell,
    registry,
    sandbox::sandboxed,
};
use crate::{Death, Footage, MediaError};

/// How long a process may take until it is confined. A busy machine is slow to start one.
const STARTING: Duration = Duration::from_secs(60);

/// Started, limited and confined. With the descriptor that tells of connections, for a camera.
pub(super) fn start(input: &str, kind: Kind, footage: Option<&Footage>) -> Result<(Cell, Option<OwnedFd>), MediaError> {
    let broken = |error: io::Error| MediaError::Internal {
        input: input.to_owned(),
        what: format!("no decoder could be started: {error}"),
    };
    let registry = registry::current()?;
    let confined = sandboxed();
    let mut cell = Cell::spawn(environment()).map_err(broken)?;
    let mut with = vec![registry.as_fd()];
    with.extend(footage.map(|footage| footage.file().as_fd()));
    #[cfg(debug_assertions)]
    let fault = super::faults::of(input, matches!(kind, Kind::File { .. } | Kind::Camera { .. } | Kind::Replay { .. }));
    #[cfg(not(debug_assertions))]
    let fault = None;
    let nice = rustix::process::getpriority_process(None).unwrap_or_default();
    let job = Job { kind, confined, nice, fault };
    let sent = send(cell.control().as_fd(), &job, &with, false);
    let heard = sent.and_then(|()| receive::<Say>(cell.control(), STARTING, true));
    match heard {
        Ok(Came::Message(Say::Confined, mut with)) => Ok((cell, with.pop())),
        Ok(Came::Message(Say::Unconfined { what }, _)) => Err(MediaError::NoCell { what: plain(&what) }),
        Ok(Came::Nothing) => Err(cell.died(input, Duration::ZERO, Some(Death::Hung))),
        Ok(Came::Closed) | Err(_) => Err(cell.died(input, Duration::ZERO, None)),
        Ok(Came::Message(..)) => Err(cell.died(input, Duration::ZERO, Some(Death::Lied))),
    }
}

/// What a decoder knows of this process's environment: nothing but where libraries lie.
fn environment() -> Vec<(OsString, OsString)> {
    let mut all: Vec<(OsString, OsString)> = [
        // The first descriptor that it gets.
        ("GST_REGISTRY", "/proc/self/fd/3"),
        ("GST_REGISTRY_UPDATE", "no"),
        // A list that it can't use is made anew in the process, slowly: another process would be none of a decoder's.
        ("GST_REGISTRY_FORK", "no"),
        ("GIO_MODULE_DIR", "/nonexistent"),
        ("GIO_USE_VFS", "local"),
        ("GSETTINGS_BACKEND", "memory"),
        ("LC_ALL", "C.UTF-8"),
        ("MALLOC_ARENA_MAX", "2"),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value.into()))
    .collect();
    all.extend(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH".into(), path)));
    all
}
