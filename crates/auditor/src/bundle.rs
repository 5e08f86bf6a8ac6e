//! The files of an export on disk: a folder, or one ZIP file.

mod zip;

use std::{fs, io, path::Path};

use audit_log::export::Files;
use durable::{open_file, read_at_most};

pub use self::zip::open;
use self::zip::{LOCAL, MOST_FILES, pack};
use crate::failure::{Failure, Outcome};

/// More than any export has: a thousand crops, the page that shows them, and some thousand receipts.
const MOST_BYTES: u64 = 256 << 20;
/// Folders in each other; `crops` and `receipts` are one.
const MOST_DEEP: usize = 4;
/// A receipt is an entry and its proof.
const MOST_RECEIPT: u64 = 1 << 20;

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"))
}

/// Nothing that is there is ever written over.
///
/// # Errors
/// There is something under that name.
pub fn check_new(out: &Path) -> Outcome {
    if fs::symlink_metadata(out).is_ok() {
        return Err(Failure::new("exists", format!("{} is there already", out.display())).hint("name another: `--out`"));
    }
    Ok(())
}

/// Writes the files of an export into a folder, or into one ZIP file by the name. Whole or not at all: beside the final name first.
///
/// # Errors
/// There is something under that name, or it can't be written.
pub fn write(out: &Path, files: &Files) -> Outcome {
    let failed = |e: io::Error| {
        Failure::because("unwritable", format!("write {}", out.display()), &e).hint("choose another place: `--out`")
    };
    check_new(out)?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let scratch = tempfile::Builder::new().prefix(".sightline-export").tempdir_in(parent).map_err(failed)?;
    let made = scratch.path().join("export");
    if is_zip(out) {
        fs::write(&made, pack(files).ok_or_else(too_large)?).map_err(failed)?;
    } else {
        for (path, bytes) in files {
            let file = made.join(path);
            fs::create_dir_all(file.parent().unwrap_or(&made)).map_err(failed)?;
            // Synced together, before it gets its name.
            fs::write(file, bytes).map_err(failed)?;
        }
    }
    durable::publish(&made, out).map_err(failed)
}

/// Whether it can be an export: a folder, or a file that begins like a ZIP.
pub fn is_bundle(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut first = [0; 4];
        io::Read::read_exact(&mut open_file(path)?, &mut first)?;
        Ok(first == LOCAL.to_le_bytes())
    };
    path.is_dir() || is_zip(path) || begins().unwrap_or_default()
}

/// The files of an export, from a folder or a ZIP file.
///
/// # Errors
/// They can't be read, are more or larger than any export's, or are not a ZIP file as it was written.
pub fn read(path: &Path) -> Outcome<Files> {
    let failed = |e: io::Error| {
        Failure::because("unreadable", format!("read {}", path.display()), &e).hint("name the folder or ZIP file of an export")
    };
    if path.is_dir() {
        let mut folder = Folder { files: Files::new(), left: MOST_BYTES };
        return match folder.read(path, "", 0).map_err(failed)? {
            true => Ok(folder.files),
            false => Err(too_large()),
        };
    }
    let Some(bytes) = read_at_most(path, MOST_BYTES).map_err(failed)? else { return Err(too_large()) };
    open(&bytes).ok_or_else(|| {
        Failure::new("not_verified", format!("{} is not the file that was written", path.display()))
            .hint("if it was unpacked and packed again, unpack it and verify the folder")
    })
}

fn too_large() -> Failure {
    Failure::new("too_large", "that is larger than any export").hint("name the folder or ZIP file of an export")
}

/// Text that is a receipt, if it is no longer than one can be.
///
/// # Errors
/// The file can't be read, is longer, or is not text.
pub fn read_receipt(path: &Path) -> io::Result<String> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let bytes = read_at_most(path, MOST_RECEIPT)?.ok_or_else(|| odd("it is longer than any receipt"))?;
    String::from_utf8(bytes).map_err(|_| odd("it is not text"))
}

/// What was read of a folder.
struct Folder {
    files: Files,
    left: u64,
}

impl Folder {
    /// Folders with nothing in them count as files that were added. `false`: it is larger, or deeper, than any export.
    fn read(&mut self, folder: &Path, under: &str, deep: usize) -> io::Result<bool> {
        let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what} in {}", folder.display()));
        if deep > MOST_DEEP {
            return Ok(false);
        }
        let mut empty = true;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| odd("a name that is not text"))?;
            let (path, kind) = (format!("{under}{name}"), entry.file_type()?);
            empty = false;
            if self.files.len() >= MOST_FILES {
                return Ok(false);
            } else if kind.is_dir() {
                if !self.read(&entry.path(), &format!("{path}/"), deep + 1)? {
                    return Ok(false);
                }
            } else if kind.is_file() {
                let Some(bytes) = read_at_most(&entry.path(), self.left)? else { return Ok(false) };
                self.left -= bytes.len() as u64;
                self.files.insert(path, bytes);
            } else {
                return Err(odd("something that is neither file nor folder"));
            }
        }
        if empty && !under.is_empty() {
            self.files.insert(under.to_owned(), Vec::new());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
