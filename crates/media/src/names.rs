//! The addresses of a name.

use std::net::SocketAddr;

use tokio::time::{Instant, timeout_at};

/// Those of a name, in the system's order; none where it has none.
pub(crate) async fn addresses(host: &str, port: u16, deadline: Instant) -> Vec<SocketAddr> {
    match timeout_at(deadline, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        _ => Vec::new(),
    }
}
