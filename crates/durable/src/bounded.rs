//! Files from elsewhere, read as far as they can be what they should be.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Opens a file and nothing else: a pipe would never end, and opening it would wait for somebody who writes.
///
/// # Errors
/// The file can't be opened, or is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")) }
}

/// `None` where there are more than `most` bytes, whatever its length was said to be.
///
/// # Errors
/// The file can't be read, or is no file.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    open_file(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// As [`read_at_most`]; more is an error too.
///
/// # Errors
/// The file can't be read, is no file, or has more than `most` bytes.
pub fn read_all(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let larger = || io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {most} bytes"));
    read_at_most(path, most)?.ok_or_else(larger)
}
