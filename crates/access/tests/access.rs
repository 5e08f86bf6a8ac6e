//! The rules of access, tested as laws and as tables.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tasks, locks and queues that last as long as a test")]

#[path = "../../../fuzz/corpora.rs"]
mod corpora;

#[expect(clippy::unwrap_used, reason = "clippy only knows test functions, not their helpers")]
mod access {
    mod browser;
    mod change;
    mod fixture;
    mod gate;
    mod grants;
    mod holds;
    mod laws;
    mod log;
    mod losses;
    mod matrix;
    mod passkey;
    mod refusals;
    mod seal;
    mod tamper;
}
