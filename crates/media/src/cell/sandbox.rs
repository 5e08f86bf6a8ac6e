//! Whether decoders give up their rights.

use std::sync::atomic::{AtomicBool, Ordering};

static UNCONFINED: AtomicBool = AtomicBool::new(false);

/// From now on decoders keep the rights of this process: still processes of their own with limits, but one that is taken over can
/// do whatever this one can. For machines that can't confine them, and only where their operator says so.
pub fn sandbox_off() {
    if !UNCONFINED.swap(true, Ordering::Relaxed) {
        tracing::warn!("decoders are not confined: media.sandbox is \"off\"; hostile footage can reach what this process can");
    }
}

/// Whether decoders are confined.
pub fn sandboxed() -> bool {
    !UNCONFINED.load(Ordering::Relaxed)
}
