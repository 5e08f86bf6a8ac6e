//! How a server starts, is watched, takes its files anew and stops. The only room that sees all others.

pub(crate) mod doctor;
mod follower;
mod gather;
mod index_health;
pub(crate) mod reload;
pub(crate) mod serve;
pub mod service;
pub(crate) mod supervise;
