//! A log that others check, and the witness that vouches for it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

#[path = "audit_log/witness.rs"]
mod witness;
