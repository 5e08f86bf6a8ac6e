//! What every room may use: the clock, requests over HTTPS, how much room the machine has, and the words
//! for health and problems.
//!
//! It uses no other room.

pub(crate) mod clock;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod machine;
pub(crate) mod problem;
pub(crate) mod rules;
