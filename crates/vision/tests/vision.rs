//! The models on real pictures. Models come from the cache and must be there; footage may be absent, which is said.

#[path = "vision/support.rs"]
mod support;

#[path = "vision/dump.rs"]
mod dump;
