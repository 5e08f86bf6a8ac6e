//! The files of an export on disk: a folder, or one ZIP file.

mod zip;

use std::{fs, io, path::Path};

use server::{export::Files, open_file, read_at_most};

pub(crate) use self::zip::open;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let file = |path: &str, bytes: &[u8]| (path.to_owned(), bytes.to_vec());
        Files::from([file("a.txt", b"123456789"), file("crops/1.jpg", &[0xff, 0xd8, 0]), file("seal.txt", b"x\n")])
    }

    #[test]
    fn a_zip_gives_back_its_files_and_is_one_that_others_read() {
        let zip = pack(&files()).unwrap();
        assert_eq!(open(&zip).unwrap(), files());
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

    #[test]
    fn whatever_is_in_the_corpora_is_read_or_refused() {
        let whole = pack(&files()).unwrap();
        let (same, none) = (files().into_keys().map(|path| (path, Vec::new())).collect(), Files::new());
        crate::corpora::hold(
            zip::TARGETS,
            &[
                ("bundle", "three-files", whole),
                ("bundle", "empty-files", pack(&same).unwrap()),
                ("bundle", "no-file", pack(&none).unwrap()),
            ],
        );
    }
}
