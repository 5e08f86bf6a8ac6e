//! The time of creation in the structure of a container itself, where a demuxer does not tell it: MP4 and QuickTime (`mvhd`), Matroska and
//! WebM (`DateUTC`). Both are UTC by their standards.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use types::CaptureTime;

/// Boxes or elements that are looked at.
const MOST: usize = 20_000;
/// From 1904 and from 1970 to 2001, in seconds.
const SINCE_1904: i64 = -2_082_844_800;
const SINCE_2001: i64 = 978_307_200;

/// `None` where there is none, or it is no such container.
pub(crate) fn created(file: &File) -> io::Result<Option<CaptureTime>> {
    let length = file.metadata()?.len();
    let mut first = [0; 12];
    if length < 12 || file.read_exact_at(&mut first, 0).is_err() {
        return Ok(None);
    }
    let us = if first[..4] == [0x1a, 0x45, 0xdf, 0xa3] { matroska(file, length)? } else { mp4(file, length)? };
    Ok(us.and_then(|us| CaptureTime::from_micros(us).ok()))
}

fn mp4(file: &File, length: u64) -> io::Result<Option<i64>> {
    let Some((from, to)) = find_box(file, (0, length), *b"moov")? else { return Ok(None) };
    let Some((at, end)) = find_box(file, (from, to), *b"mvhd")? else { return Ok(None) };
    let mut head = [0; 12];
    if end - at < 12 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let seconds = match head[0] {
        0 => i64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]])),
        1 => i64::from_be_bytes([head[4], head[5], head[6], head[7], head[8], head[9], head[10], head[11]]),
        _ => 0,
    };
    // Zero is a clock that was never set. Some write seconds since 1970.
    let since_1970 = seconds.saturating_add(SINCE_1904);
    let seconds = if since_1970 > 0 { since_1970 } else { seconds };
    Ok((seconds > 0).then(|| seconds.saturating_mul(1_000_000)))
}

/// Where the contents of the first box of this kind are.
pub(crate) fn find_box(file: &File, (mut at, to): (u64, u64), kind: [u8; 4]) -> io::Result<Option<(u64, u64)>> {
    for _ in 0..MOST {
        let mut head = [0; 16];
        if to.saturating_sub(at) < 8 {
            return Ok(None);
        }
        let read = usize::try_from((to - at).min(16)).unwrap_or(16);
        file.read_exact_at(&mut head[..read], at)?;
        let [a, b, c, d, k @ ..] = head;
        let is = k[..4] == kind;
        let (size, before) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (to - at, 8),
            1 if read == 16 => {
                (u64::from_be_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]]), 16)
            }
            size => (u64::from(size), 8),
        };
        let Some(end) = at.checked_add(size).filter(|end| size >= before && *end <= to) else { return Ok(None) };
        if is {
            return Ok(Some((at + before, end)));
        }
        at = end;
    }
    Ok(None)
}

const SEGMENT: u64 = 0x1853_8067;
const INFO: u64 = 0x1549_a966;
const DATE: u64 = 0x4461;
const CLUSTER: u64 = 0x1f43_b675;

fn matroska(file: &File, length: u64) -> io::Result<Option<i64>> {
    let mut range = (0, length);
    for wanted in [SEGMENT, INFO, DATE] {
        let Some(found) = find_element(file, range, wanted)? else { return Ok(None) };
        range = found;
    }
    let (at, end) = range;
    let mut date = [0; 8];
    if end - at != 8 {
        return Ok(None);
    }
    file.read_exact_at(&mut date, at)?;
    Ok(Some((i64::from_be_bytes(date) / 1000).saturating_add(SINCE_2001 * 1_000_000)))
}

fn find_element(file: &File, (mut at, to): (u64, u64), wanted: u64) -> io::Result<Option<(u64, u64)>> {
    for _ in 0..MOST {
        let mut head = [0; 12];
        let read = usize::try_from(to.saturating_sub(at).min(12)).unwrap_or(12);
        file.read_exact_at(&mut head[..read], at)?;
        let Some((id, id_length)) = number(&head[..read], true) else { return Ok(None) };
        let Some((size, size_length)) = number(&head[id_length..read], false) else { return Ok(None) };
        let from = at + (id_length + size_length) as u64;
        // All ones: of a size that was not known when it was written.
        let unknown = size == (1 << (7 * size_length)) - 1;
        let end = if unknown { to } else { from.saturating_add(size) };
        if id == wanted && end <= to {
            return Ok(Some((from, end)));
        }
        // What says when stands before the pictures.
        if id == CLUSTER || unknown || end >= to {
            return Ok(None);
        }
        at = end;
    }
    Ok(None)
}

/// Of 1 to 8 bytes, the first of which says how many; the mark is part of an id.
fn number(bytes: &[u8], with_mark: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 || bytes.len() < length {
        return None;
    }
    let start = if with_mark { u64::from(first) } else { u64::from(first) & ((1 << (8 - length)) - 1) };
    Some((bytes[1..length].iter().fold(start, |all, byte| all << 8 | u64::from(*byte)), length))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        created(&file).unwrap_or_default().map(|time| time.to_string())
    }

    fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        [&u32::try_from(inside.len() + 8).unwrap().to_be_bytes()[..], kind, inside].concat()
    }

    #[test]
    fn the_creation_time_of_mp4_and_quicktime_is_read_in_either_version_wherever_it_stands() {
        // 2026-03-01T08:30:00Z
        let since_1904 = 1_772_353_800i64 + 2_082_844_800;
        let old = [&[0; 4][..], &u32::try_from(since_1904).unwrap().to_be_bytes(), &[0; 92]].concat();
        let new = [&[1, 0, 0, 0][..], &since_1904.to_be_bytes(), &[0; 100]].concat();
        let unix = [&[0; 4][..], &1_772_353_800u32.to_be_bytes(), &[0; 92]].concat();
        for mvhd in [old, new, unix] {
            let moov = boxed(b"moov", &[boxed(b"free", b"x"), boxed(b"mvhd", &mvhd)].concat());
            let large = [&[0, 0, 0, 1][..], b"mdat", &24u64.to_be_bytes(), &[0; 8]].concat();
            for before in [boxed(b"ftyp", b"isom"), [boxed(b"ftyp", b"isom"), large].concat()] {
                assert_eq!(of(&[before, moov.clone()].concat()).as_deref(), Some("2026-03-01T08:30:00Z"));
            }
        }
        let never = boxed(b"moov", &boxed(b"mvhd", &[0; 100]));
        assert_eq!(of(&never), None);
        assert_eq!(of(b"no container at all"), None);
    }

    #[test]
    fn the_date_of_matroska_is_read_also_of_a_segment_of_unknown_size() {
        let nanos = (1_772_353_800i64 - 978_307_200) * 1_000_000_000;
        let info = [&[0x44, 0x61, 0x88][..], &nanos.to_be_bytes()].concat();
        let info = [&[0x15, 0x49, 0xa9, 0x66, 0x80 | u8::try_from(info.len()).unwrap()][..], &info].concat();
        let void = [0xec, 0x82, 0, 0];
        for size in [&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0x80 | u8::try_from(info.len() + 4).unwrap()]] {
            let ebml = [0x1a, 0x45, 0xdf, 0xa3, 0x84, 0x42, 0x86, 0x81, 1];
            let whole = [&ebml[..], &[0x18, 0x53, 0x80, 0x67], size, &void, &info].concat();
            assert_eq!(of(&whole).as_deref(), Some("2026-03-01T08:30:00Z"));
        }
    }

    proptest! {
        #[test]
        fn whatever_a_file_holds_it_is_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0usize..3) {
            let head: &[u8] = [&b""[..], b"\0\0\0\x08ftyp\0\0\x01\0moov", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67"][kind];
            let _ = of(&[head, &bytes].concat());
        }
    }
}
