//! The rules of access, tested as laws and as tables.

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
    mod matrix;
    mod passkey;
    mod refusals;
    mod seal;
    mod tamper;
}
