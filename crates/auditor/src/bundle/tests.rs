use proptest::prelude::*;

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
        .args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(z.namelist())"])
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
        let _ = open(&[&LOCAL.to_le_bytes(), bytes.as_slice()].concat());
    }
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
