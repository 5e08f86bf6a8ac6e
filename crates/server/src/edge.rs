//! The gRPC edge: TLS, who calls and how often, the services, and the codes that errors become.
//!
//! The only room that sees gRPC. Nothing is decided here that `access` can decide.

pub(crate) mod app;
pub(crate) mod callers;
pub(crate) mod front;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod listen;
pub(crate) mod marking;
pub(crate) mod paging;
pub(crate) mod places;
pub(crate) mod probe;
pub(crate) mod services;
pub(crate) mod status;
pub(crate) mod tls;
