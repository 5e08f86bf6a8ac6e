//! A process of its own for each decoder. What cameras and files of other people send is decoded there and nowhere else: a
//! decoder that crashes, hangs, eats memory or is taken over costs one camera or one part of a file, and reaches nothing.
//!
//! ```text
//! server or worker (no plugin, no libav)          `sightline decode`, one for each camera and each part of footage
//!   FrameReader ── job, registry, footage ──────▶  limits, Landlock, seccomp, and only then GStreamer
//!               ── slot of the ring ────────────▶  decodes, copies the one picture that is wanted
//!   Frame ◀────── what is in the slot ──────────
//!   Door ◀─ its connect(), done by the parent ──   rtspsrc
//! ```
//!
//! The decoder is the same program, started anew: it has no descriptor but its end of a socket pair, no environment, no key and
//! no address. It asks for memory by size, the parent makes and seals it; it names no slot, the parent does. So nothing that it
//! says is ever an index on our side.

mod confine;
mod count;
#[cfg(debug_assertions)]
mod faults;
mod filter;
mod inside;
pub(crate) mod message;
mod process;
pub(crate) mod reading;
mod registry;
mod ring;
mod sandbox;
mod start;
pub(crate) mod sys;

use std::time::Duration;

use self::{
    message::{Kind, Say},
    process::{Heard, PROGRAM, WORD},
};
pub use count::{Decoders, decoders};
#[cfg(debug_assertions)]
pub use faults::decoders_fail;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use reading::fuzzing::decoder_says;
pub use sandbox::{sandbox_off, sandboxed};

use crate::{Death, Footage, FootageInfo, MediaError, abilities::Found};

/// How long one that is to look at something may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// A decoder that died is tried once more: memory may have been short.
const TRIES: u32 = 2;

/// Becomes a decoder, and never returns, where that is what this process was started for. The first thing that a program does
/// which reads footage: a decoder gives up its rights before it has a second thread.
pub fn become_decoder_if_asked() {
    let mut arguments = std::env::args_os();
    let asked = arguments.next().is_some_and(|program| program == PROGRAM)
        && arguments.next().is_some_and(|word| word == WORD)
        && arguments.next().is_none();
    if asked {
        sys::leave(inside::main());
    }
}

/// Test programs have no `main` of ours: in debug builds whatever links this crate can be a decoder.
#[cfg(debug_assertions)]
mod before_main {
    #[expect(unsafe_code, reason = "a place that is looked for by its name")]
    #[used]
    // SAFETY: a function of this type is what belongs there; the standard library's arguments are there before.
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = {
        extern "C" fn begin() {
            super::become_decoder_if_asked();
        }
        begin
    };
}

pub(crate) fn installed() -> Result<Found, MediaError> {
    match one("GStreamer", || Kind::Installed, None)? {
        Say::Installed { version, found } => {
            Ok((version, found.into_iter().map(|one| one.map(|(which, v)| (which, message::plain(&v)))).collect()))
        }
        _ => Err(nonsense("GStreamer")),
    }
}

pub(crate) fn probe(footage: &Footage) -> Result<FootageInfo, MediaError> {
    match one(&footage.input(), || Kind::Probe, Some(footage))? {
        Say::Info(info) => Ok(info.into()),
        _ => Err(nonsense(&footage.input())),
    }
}

pub(crate) fn recorded(footage: &Footage) -> Result<Option<i64>, MediaError> {
    match one(&footage.input(), || Kind::Recorded, Some(footage))? {
        Say::Recorded { micros } => Ok(micros),
        _ => Err(nonsense(&footage.input())),
    }
}

fn nonsense(input: &str) -> MediaError {
    count::died(Death::Lied);
    MediaError::Died { input: input.to_owned(), at: Duration::ZERO, how: Death::Lied }
}

/// What a decoder with one task says at its end.
fn one(input: &str, kind: impl Fn() -> Kind, footage: Option<&Footage>) -> Result<Say, MediaError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match once(input, kind(), footage) {
            Err(MediaError::Died { .. }) if tries < TRIES => {}
            done => return done,
        }
    }
}

fn once(input: &str, kind: Kind, footage: Option<&Footage>) -> Result<Say, MediaError> {
    let (mut cell, _) = start::start(input, kind, footage)?;
    match cell.hear(PATIENCE) {
        Heard::Said(Say::Failed(failure, _)) => Err(failure.about(input.to_owned())),
        Heard::Said(said) => Ok(said),
        Heard::Nothing => Err(cell.died(input, Duration::ZERO, Some(Death::Hung))),
        Heard::Gone(how) => Err(cell.died(input, Duration::ZERO, Some(how))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: &str = "SIGHTLINE_TEST_UNCONFINABLE";

    /// Refuses the first call of Landlock, as a kernel without it does.
    fn without_landlock() {
        let line = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
        let program = [
            line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_landlock_create_ruleset as u32, 0, 1),
            line(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0, 0),
            line(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        ];
        sys::no_new_privileges().unwrap();
        sys::install(&program, false).unwrap();
    }

    #[test]
    fn where_decoders_cant_be_confined_none_is_started_unless_its_operator_says_so() {
        if std::env::var_os(ALONE).is_none() {
            // In a process of its own: what is refused stays refused.
            let name = "cell::tests::where_decoders_cant_be_confined_none_is_started_unless_its_operator_says_so";
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            let status = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").status().unwrap();
            assert!(status.success());
            return;
        }
        without_landlock();
        let error = installed().unwrap_err();
        assert!(matches!(&error, MediaError::NoCell { what } if what.contains("Landlock")), "{error:?}");
        for told in ["Linux 5.19", "sandbox = \"off\""] {
            assert!(error.to_string().contains(told), "{error}");
        }
        let footage = Footage::open(&std::env::current_exe().unwrap()).unwrap();
        assert!(matches!(probe(&footage), Err(MediaError::NoCell { .. })));
        sandbox_off();
        installed().unwrap();
        assert!(matches!(probe(&footage), Err(MediaError::NotMedia { .. })) && !sandboxed());
    }
}
