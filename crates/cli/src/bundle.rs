//! The files of an export on disk: a folder, or one ZIP file.
//!
//! The ZIP is written in one way alone: nothing compressed (crops are JPEG already), no times, the files in their order. So
//! packing what was read must give every byte again, and there is no byte in it that somebody could change unnoticed.

use std::{fs, io, path::Path};

use server::export::Files;

use crate::failure::{Failure, Outcome};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 1980-01-01, the first day a ZIP knows.
const NO_DATE: u16 = 0x21;
/// More than any export has.
const MOST_BYTES: u64 = 1 << 30;

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
            fs::write(file, bytes).map_err(failed)?;
        }
    }
    fs::rename(&made, out).map_err(failed)
}

/// Whether it can be an export: a folder, or a file that begins like a ZIP.
pub(crate) fn is_bundle(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut first = [0; 4];
        io::Read::read_exact(&mut fs::File::open(path)?, &mut first)?;
        Ok(first == LOCAL.to_le_bytes())
    };
    path.is_dir() || is_zip(path) || begins().unwrap_or_default()
}

pub(crate) fn read(path: &Path) -> Outcome<Files> {
    let failed = |e: io::Error| {
        Failure::because("unreadable", format!("read {}", path.display()), &e).hint("name the folder or ZIP file of an export")
    };
    if path.is_dir() {
        let mut files = Files::new();
        let mut left = MOST_BYTES;
        read_folder(path, "", &mut files, &mut left).map_err(failed)?;
        return Ok(files);
    }
    if fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        return Err(too_large());
    }
    let bytes = fs::read(path).map_err(failed)?;
    open(&bytes).ok_or_else(|| {
        Failure::new("not_verified", format!("{} is not the file that was written", path.display()))
            .hint("if it was unpacked and packed again, unpack it and verify the folder")
    })
}

/// The files of a ZIP that is, to the last byte, as [`pack`] writes it.
pub(crate) fn open(zip: &[u8]) -> Option<Files> {
    unpack(zip).filter(|files| pack(files).is_some_and(|again| again == zip))
}

fn too_large() -> Failure {
    Failure::new("too_large", "that is larger than any export").hint("name the folder or ZIP file of an export")
}

/// Folders with nothing in them count as files that were added.
fn read_folder(folder: &Path, under: &str, files: &mut Files, left: &mut u64) -> io::Result<()> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what} in {}", folder.display()));
    let mut empty = true;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| odd("a name that is not text"))?;
        let (path, kind) = (format!("{under}{name}"), entry.file_type()?);
        empty = false;
        if kind.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files, left)?;
        } else if kind.is_file() {
            *left = left.checked_sub(entry.metadata()?.len()).ok_or_else(|| odd("more than any export has"))?;
            files.insert(path, fs::read(entry.path())?);
        } else {
            return Err(odd("something that is neither file nor folder"));
        }
    }
    if empty && !under.is_empty() {
        files.insert(under.to_owned(), Vec::new());
    }
    Ok(())
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
    let (mut zip, mut central) = (Bytes(Vec::new()), Bytes(Vec::new()));
    for (path, bytes) in files {
        let offset = u32::try_from(zip.0.len()).ok()?;
        let (size, name) = (u32::try_from(bytes.len()).ok()?, u16::try_from(path.len()).ok()?);
        let crc = crc32fast::hash(bytes);
        // Version 1.0, no flags, stored, no time.
        let common = [10, 0, 0, 0, NO_DATE];
        zip.u32(&[LOCAL]);
        zip.u16(&common);
        zip.u32(&[crc, size, size]);
        zip.u16(&[name, 0]);
        zip.0.extend(path.bytes());
        zip.0.extend(bytes);
        central.u32(&[CENTRAL]);
        central.u16(&[10]);
        central.u16(&common);
        central.u32(&[crc, size, size]);
        // No extra, no comment, first disk, no attributes.
        central.u16(&[name, 0, 0, 0, 0]);
        central.u32(&[0, offset]);
        central.0.extend(path.bytes());
    }
    let (count, at, len) =
        (u16::try_from(files.len()).ok()?, u32::try_from(zip.0.len()).ok()?, u32::try_from(central.0.len()).ok()?);
    zip.0.extend(central.0);
    zip.u32(&[END]);
    zip.u16(&[0, 0, count, count]);
    zip.u32(&[len, at]);
    zip.u16(&[0]);
    Some(zip.0)
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

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&[&LOCAL.to_le_bytes(), bytes.as_slice()].concat());
        }
    }
}
