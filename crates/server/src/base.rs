//! What every room may use: files read within bounds, the clock, and requests over HTTPS. It uses no other room.

pub(crate) mod bounded;
pub(crate) mod clock;
pub(crate) mod http;
