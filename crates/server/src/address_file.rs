//! Where the server of a home folder listens, for clients beside it: the port may be the system's choice.

use std::{fs, io, net::SocketAddr};

use crate::deployment::Home;

impl Home {
    /// Where the running server listens; `None` without one. A server that was killed leaves its last address.
    pub fn running_address(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.root().join(NAME)).ok()?.trim().parse().ok()
    }
}

const NAME: &str = "address";

/// Renamed into place, so that nobody reads half of it.
pub(crate) fn write(home: &Home, address: SocketAddr) -> io::Result<()> {
    let scratch = home.root().join(".address");
    fs::write(&scratch, format!("{address}\n"))?;
    fs::rename(scratch, home.root().join(NAME))
}

pub(crate) fn remove(home: &Home) {
    // It may be gone: nobody promised to keep it.
    let _ = fs::remove_file(home.root().join(NAME));
}
