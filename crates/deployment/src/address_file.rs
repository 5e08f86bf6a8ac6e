//! Where the server of a home folder listens, for clients beside it: the port may be the system's choice.

use std::{fs, io, net::SocketAddr};

use crate::home::Home;

impl Home {
    /// Where the running server listens; `None` without one. A server that was killed leaves its last address.
    pub fn running_address(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.root().join(NAME)).ok()?.trim().parse().ok()
    }
}

const NAME: &str = "address";

/// Notes where a server listens. The next start writes it again.
///
/// # Errors
/// What the system says.
pub fn write(home: &Home, address: SocketAddr) -> io::Result<()> {
    durable::write_lazily(&home.root().join(NAME), format!("{address}\n").as_bytes())
}

/// Forgets where a server listened that has stopped.
pub fn remove(home: &Home) {
    // It may be gone: nobody promised to keep it.
    let _ = fs::remove_file(home.root().join(NAME));
}
