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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files() -> Files {
        let file = |path: &str, bytes: &[u8]| (path.to_owned(), bytes.to_vec());
        Files::from([file("a.txt", b"123456789"), file("crops/1.jpg", &[0xff, 0xd8, 0]), file("seal.txt", b"x\n")])
    }

    #[test]
    fn a_zip_gives_back_its_files_and_is_one_that_others_read() {
        let zip = pack(&files()).unwrap();
        assert_eq!(unpack(&zip).unwrap(), files());
        // The check value of CRC-32, where the format wants it.
        assert_eq!(zip[14..18], 0xcbf4_3926_u32.to_le_bytes());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        write(&path, &files()).unwrap();
        let listed = std::process::Command::new("python3")
            .args([
                "-c",
                "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(z.namelist())",
            ])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "['a.txt', 'crops/1.jpg', 'seal.txt']", "{listed:?}");
    }

    #[test]
    fn no_byte_of_a_zip_can_be_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.zip");
        let zip = pack(&files()).unwrap();
        for at in 0..zip.len() {
            let mut changed = zip.clone();
            changed[at] ^= 0x41;
            fs::write(&path, &changed).unwrap();
            // Refused, or of another content, which the seal notices.
            if let Ok(read) = read(&path) {
                assert_ne!(read, files(), "byte {at}");
            }
        }
        fs::write(&path, [zip.as_slice(), b"more"].concat()).unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn nothing_is_written_over_and_an_added_folder_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("deep/export");
        write(&out, &files()).unwrap();
        assert_eq!(read(&out).unwrap(), files());
        assert_eq!(write(&out, &files()).unwrap_err().reason, "exists");
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "scratch is left");
        fs::create_dir(out.join("empty")).unwrap();
        assert_ne!(read(&out).unwrap(), files());
    }

    #[test]
    fn what_is_larger_than_any_export_or_no_file_is_refused_without_reading_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let refused = |what: &Path| read(what).unwrap_err().reason;
        // A terabyte that takes no room: it begins like a ZIP, and so does one that says that its first file is that long.
        let vast = path("vast.zip");
        fs::write(&vast, LOCAL.to_le_bytes()).unwrap();
        fs::File::options().write(true).open(&vast).unwrap().set_len(1 << 40).unwrap();
        assert!(is_bundle(&vast));
        assert_eq!(refused(&vast), "too_large");
        let mut lies = pack(&files()).unwrap();
        lies[22..26].copy_from_slice(&u32::MAX.to_le_bytes());
        fs::write(path("lies.zip"), lies).unwrap();
        assert_eq!(refused(&path("lies.zip")), "not_verified");
        // A folder with one such file, one with too many, and one without end.
        let folder = path("one");
        fs::create_dir(&folder).unwrap();
        fs::File::create(folder.join("a")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(refused(&folder), "too_large");
        let deep = path("deep");
        fs::create_dir_all((0..200).fold(deep.clone(), |deep, _| deep.join("x"))).unwrap();
        assert_eq!(refused(&deep), "too_large");
        // Nobody writes to it: opening it must not wait for somebody who does.
        let pipe = path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(!is_bundle(&pipe) && read_receipt(&pipe).is_err());
        assert_eq!(refused(&pipe), "unreadable");
        assert!(read_receipt(&vast).unwrap_err().to_string().contains("longer"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&[&LOCAL.to_le_bytes(), bytes.as_slice()].concat());
        }
    }
}
