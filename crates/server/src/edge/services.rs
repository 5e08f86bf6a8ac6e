//! The gRPC edge: messages in, domain calls, messages out. Nothing is decided here that `access` can decide.

mod admin;
mod audit;
mod calls;
mod cameras;
mod case_watch;
mod cases;
mod convert;
mod export;
mod footage;
mod imports;
mod ingest;
mod keep_looking;
pub(crate) mod live;
mod log;
mod marks;
mod own;
mod owners;
mod pages;
mod recorders;
mod retention;
mod search;
mod stream_hits;

use std::sync::Arc;

use crate::edge::app::App;

/// Serves every service of the contract.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Arc<App>);
