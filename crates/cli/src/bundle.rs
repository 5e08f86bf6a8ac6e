//! The files of an export on disk: a folder, or one ZIP file.
//!
//! The ZIP is written in one way alone: nothing compressed (crops are JPEG already), no times, the files in their order. So
//! packing what was read must give every byte again, and there is no byte in it that somebody could change unnoticed.

use std::{fs, io, path::Path};

use server::{export::Files, open_file, read_at_most};

use crate::failure::{Failure, Outcome};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 1980-01-01, the first day a ZIP knows.
const NO_DATE: u16 = 0x21;
/// More than any export has: a thousand crops, the page that shows them, and some thousand receipts.
const MOST_BYTES: u64 = 256 << 20;
/// As many as its ZIP file can have.
const MOST_FILES: usize = 65_535;
/// Folders in each other; `crops` and `receipts` are one.
const MOST_DEEP: usize = 4;
/// A receipt is an entry and its proof.
const MOST_RECEIPT: u64 = 1 << 20;

fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"))
}

/// Nothing that is there is ever written over.
pub(crate) fn check_new(out: &Path) -> Outcome {
    if fs::symlink_metadata(out).is_ok() {
        return Err(Failure::new("exists", format!("{} is there already", out.display())).hint("name another: `--out`"));
    }
    Ok(())
}

/// Whole or not at all: beside the final name first.
pub(crate) fn write(out: &Path, files: &Files) -> Outcome {
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
pub(crate) fn is_bundle(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut first = [0; 4];
        io::Read::read_exact(&mut open_file(path)?, &mut first)?;
        Ok(first == LOCAL.to_le_bytes())
    };
    path.is_dir() || is_zip(path) || begins().unwrap_or_default()
}

pub(crate) fn read(path: &Path) -> Outcome<Files> {
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

/// The files of a ZIP that is, to the last byte, as [`pack`] writes it.
pub(crate) fn open(zip: &[u8]) -> Option<Files> {
    unpack(zip).filter(|files| is_packed(files, zip))
}

fn too_large() -> Failure {
    Failure::new("too_large", "that is larger than any export").hint("name the folder or ZIP file of an export")
}

/// Text that is a receipt, if it is no longer than one can be.
pub(crate) fn read_receipt(path: &Path) -> io::Result<String> {
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

/// Whether these are the bytes that [`pack`] makes of them. Nothing is made: it would be as large again.
fn is_packed(files: &Files, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let same = pack_into(files, |piece| match rest.strip_prefix(piece) {
        Some(after) => {
            rest = after;
            true
        }
        None => false,
    });
    same.is_some() && rest.is_empty()
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(&mut self, values: &[u16]) {
        values.iter().for_each(|v| self.0.extend(v.to_le_bytes()));
    }

    fn u32(&mut self, values: &[u32]) {
        values.iter().for_each(|v| self.0.extend(v.to_le_bytes()));
    }
}

/// `None` where it would not fit.
fn pack(files: &Files) -> Option<Vec<u8>> {
    let mut zip = Vec::new();
    pack_into(files, |piece| {
        zip.extend_from_slice(piece);
        true
    })?;
    Some(zip)
}

/// Gives the ZIP piece by piece. `None` where it would not fit, or `out` wants no more.
fn pack_into(files: &Files, mut out: impl FnMut(&[u8]) -> bool) -> Option<()> {
    let (mut written, mut central) = (0_usize, Bytes(Vec::new()));
    for (path, bytes) in files {
        let mut zip = Bytes(Vec::new());
        let offset = u32::try_from(written).ok()?;
        let (size, name) = (u32::try_from(bytes.len()).ok()?, u16::try_from(path.len()).ok()?);
        let crc = crc32fast::hash(bytes);
        // Version 1.0, no flags, stored, no time.
        let common = [10, 0, 0, 0, NO_DATE];
        zip.u32(&[LOCAL]);
        zip.u16(&common);
        zip.u32(&[crc, size, size]);
        zip.u16(&[name, 0]);
        zip.0.extend(path.bytes());
        written += zip.0.len() + bytes.len();
        if !out(&zip.0) || !out(bytes) {
            return None;
        }
        central.u32(&[CENTRAL]);
        central.u16(&[10]);
        central.u16(&common);
        central.u32(&[crc, size, size]);
        // No extra, no comment, first disk, no attributes.
        central.u16(&[name, 0, 0, 0, 0]);
        central.u32(&[0, offset]);
        central.0.extend(path.bytes());
    }
    let (count, at, len) = (u16::try_from(files.len()).ok()?, u32::try_from(written).ok()?, u32::try_from(central.0.len()).ok()?);
    let mut end = Bytes(Vec::new());
    end.u32(&[END]);
    end.u16(&[0, 0, count, count]);
    end.u32(&[len, at]);
    end.u16(&[0]);
    (out(&central.0) && out(&end.0)).then_some(())
}

/// The files as their local headers tell; whether all of it is as [`pack`] writes it is for the caller to see.
fn unpack(zip: &[u8]) -> Option<Files> {
    let (mut files, mut rest) = (Files::new(), zip);
    let u16_at = |bytes: &[u8], at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let u32_at = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    while u32_at(rest, 0)? == LOCAL {
        let (size, name) = (usize::try_from(u32_at(rest, 22)?).ok()?, usize::from(u16_at(rest, 26)?));
        let (path, after) = rest.get(30..)?.split_at_checked(name)?;
        let (bytes, after) = after.split_at_checked(size)?;
        if files.len() >= MOST_FILES {
            return None;
        }
        files.insert(std::str::from_utf8(path).ok()?.to_owned(), bytes.to_vec());
        rest = after;
    }
    Some(files)
}

#[cfg(test)]
mod tests;
