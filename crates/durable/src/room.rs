use std::{io, path::Path};

/// How much room a disk has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// For whoever is not root.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// How much room the disk has that a file or folder lies on.
///
/// # Errors
/// What the system says, as where nothing is there.
pub fn room(on: &Path) -> io::Result<Room> {
    let disk = rustix::fs::statvfs(on)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Room { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
}
