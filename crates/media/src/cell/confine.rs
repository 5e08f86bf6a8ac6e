//! What a decoder gives up before it looks at anything: memory without end, files, the network, other processes. For good, and
//! with no privilege needed.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};

use super::{filter, sys};

/// Writable memory of a decoder's own: 24 pictures of 3840 by 2160 and half a gigabyte, which is eight times what a camera of
/// 1920 by 1080 needs.
const MEMORY: u64 = 1 << 30;
/// Address space, which also holds what is shared and what libraries only reserve.
const SPACE: u64 = 6 << 30;
/// Descriptors.
const OPEN: u64 = 64;
/// Nothing can be opened for writing; what memory a library keeps under a descriptor is this long at most.
const WRITTEN: u64 = 1 << 20;
/// A decoder is what the kernel ends first where memory runs out.
const FIRST_TO_GO: &[u8] = b"700";

/// Where programs and libraries are; read and run, never written.
const PROGRAMS: [&str; 4] = ["/usr", "/lib", "/lib32", "/lib64"];
/// What libraries read.
const READ: [&str; 2] = ["/etc/ld.so.cache", "/sys/devices/system/cpu"];

/// Limits that hold whether or not the kernel can do more.
pub(super) fn limit() -> io::Result<()> {
    // Before files can't be written any more. Where this is not allowed, all processes are alike.
    let _ = fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    for (what, most) in [
        (libc::RLIMIT_DATA, MEMORY),
        (libc::RLIMIT_AS, SPACE),
        (libc::RLIMIT_NOFILE, OPEN),
        (libc::RLIMIT_FSIZE, WRITTEN),
        // A core holds pixels.
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
        (libc::RLIMIT_MEMLOCK, 0),
    ] {
        sys::limit(what, most)?;
    }
    sys::no_new_privileges()
}

/// The rest. From here on only libraries and `footage` can be read. `connects` for a decoder of a camera; then the descriptor
/// tells where it wants to connect to. In words what is missing where this can't be done.
pub(super) fn confine(footage: Option<&OwnedFd>, connects: bool, oldest: bool) -> Result<Option<OwnedFd>, String> {
    // Landlock holds for the thread that asks for it and those that come of it.
    let threads = fs::read_dir("/proc/self/task").map_err(|e| format!("/proc can't be read: {e}"))?.count();
    if threads != 1 {
        return Err(format!("{threads} threads run already"));
    }
    landlock(footage, oldest)?;
    let program = filter::program(connects).map_err(|e| e.to_string())?;
    sys::install(&program, connects).map_err(|e| format!("seccomp: {e}"))
}

fn landlock(footage: Option<&OwnedFd>, oldest: bool) -> Result<(), String> {
    let failed = |e: &dyn std::error::Error| format!("Landlock: {e}");
    // The rights of Linux 5.19 are a must; what newer kernels know besides is taken where it is there.
    let must = AccessFs::from_all(ABI::V2);
    let mut rules =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(must).map_err(|e| failed(&e))?;
    if !oldest {
        rules = rules
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
            .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
            .map_err(|e| failed(&e))?;
    }
    let mut rules = rules.create().map_err(|e| failed(&e))?;
    let (run, read) = (AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir, AccessFs::ReadFile | AccessFs::ReadDir);
    rules = rules.set_compatibility(CompatLevel::BestEffort);
    rules = rules.add_rules(path_beneath_rules(programs(), run)).map_err(|e| failed(&e))?;
    rules = rules.add_rules(path_beneath_rules(READ, read)).map_err(|e| failed(&e))?;
    // What libraries read of this process: its maps, its own descriptors.
    let own = format!("/proc/{}", std::process::id());
    rules = rules.add_rules(path_beneath_rules([own], read)).map_err(|e| failed(&e))?;
    if let Some(footage) = footage {
        rules = rules.add_rule(PathBeneath::new(footage.as_fd(), AccessFs::ReadFile)).map_err(|e| failed(&e))?;
    }
    let status = rules.restrict_self().map_err(|e| failed(&e))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("Landlock: the kernel does not know it, or it is not switched on".to_owned()),
        _ => Ok(()),
    }
}

/// With those of whoever keeps libraries elsewhere.
fn programs() -> impl Iterator<Item = PathBuf> {
    let elsewhere = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let elsewhere: Vec<PathBuf> = std::env::split_paths(&elsewhere).filter(|path| path.is_absolute()).collect();
    PROGRAMS.iter().map(PathBuf::from).chain(elsewhere)
}
