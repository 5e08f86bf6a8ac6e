//! The one ZIP file of an export. It is written in one way alone: nothing compressed (crops are JPEG already), no times, the files
//! in their order. So packing what was read must give every byte again, and there is no byte in it that somebody could change
//! unnoticed.

use std::collections::BTreeMap;

/// The files of an export, by their paths.
type Files = BTreeMap<String, Vec<u8>>;

pub(super) const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// 1980-01-01, the first day a ZIP knows.
const NO_DATE: u16 = 0x21;
/// As many as a ZIP file can have.
pub(super) const MOST_FILES: usize = 65_535;

/// The files of a ZIP that is, to the last byte, as `pack` writes it.
pub fn open(zip: &[u8]) -> Option<Files> {
    unpack(zip).filter(|files| is_packed(files, zip))
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
pub(super) fn pack(files: &Files) -> Option<Vec<u8>> {
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

/// The files as their local headers tell; whether all of it is as `pack` writes it is for the caller to see.
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

/// What is held over whatever bytes there are; see `fuzz/`.
#[cfg(test)]
type Target = (&'static str, fn(&[u8]));

#[cfg(test)]
pub(crate) const TARGETS: &[Target] = &[("bundle", bundle)];

/// A bundle as somebody else made it: what is opened is packed to the same bytes, and to no others.
#[cfg(test)]
fn bundle(bytes: &[u8]) {
    if let Some(files) = open(bytes) {
        assert!(pack(&files).is_some_and(|packed| packed == bytes));
    }
}
