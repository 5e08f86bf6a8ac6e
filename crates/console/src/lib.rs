//! The console: its page, and its first door, a way to the server on this machine's loopback addresses alone. The second door is
//! the server's own port; it serves the same page ([`served`]).
//!
//! The page is a client of the gRPC API and of nothing else. It speaks gRPC-Web to this process, and this process forwards
//! every call over the person's own mTLS connection. What the server must not do for anybody is done here as well: reading
//! what a grant's bytes say, signing them, and checking an export.
//!
//! It refuses: every name but `localhost:PORT`, every origin but its own, every call without the key that the link's secret
//! was traded for. It knows no cookie and stores nothing.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod bind;
mod door;
mod forward;
mod local;
mod pages;

pub use bind::{Console, ConsoleError, Links};
pub use local::{Local, Refusal};
pub use pages::{guarded, page as served};
