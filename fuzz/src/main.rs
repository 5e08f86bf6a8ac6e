//! libFuzzer over the target that `SIGHTLINE_FUZZ` names. See scripts/fuzz.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What the environment asks for.
fn run() -> fn(&[u8]) {
    static RUN: OnceLock<fn(&[u8])> = OnceLock::new();
    *RUN.get_or_init(|| {
        let name = std::env::var("SIGHTLINE_FUZZ").unwrap_or_default();
        let found = fuzz::targets().into_iter().find(|(target, _)| *target == name);
        found.map_or_else(|| panic!("SIGHTLINE_FUZZ names no target"), |(_, run)| run)
    })
}

fuzz_target!(|bytes: &[u8]| run()(bytes));
