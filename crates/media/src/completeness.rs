//! Whether a file is all there, by what its container announces. Demuxers forgive a missing end, and so would an
//! investigator never learn that half the evening is missing.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

/// What the container says about its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Completeness {
    Whole,
    /// Cut; why. The part before can be read unless its index was at the end.
    Cut(String),
    /// The container announces no length; the duration may still tell.
    Unknown,
}

/// Who knows how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    AskDemuxer,
    /// A bare video stream: the demuxer would guess from the bit rate.
    Nobody,
    /// As before, and nothing says how many of its pictures are a second either.
    Clockless,
    /// A program stream, by its first and last system clock.
    Clock(Option<Duration>),
}

pub(crate) fn look(path: &Path) -> io::Result<(Completeness, Lasts)> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut head = [0; 16];
    let got = read_up_to(&mut file, &mut head)?;
    let head = &head[..got];
    let lasts = match head {
        [0, 0, 1, 0xBA, ..] => {
            let first = system_clock(head);
            let tail = tail(&mut file, len, TAIL)?;
            let last = tail.windows(14).rev().find(|w| w.starts_with(&[0, 0, 1, 0xBA])).and_then(system_clock);
            let ticks = first.zip(last).and_then(|(first, last)| last.checked_sub(first)).filter(|ticks| *ticks > 0);
            Lasts::Clock(ticks.map(|ticks| Duration::from_micros(ticks * 100 / 9)))
        }
        [0, 0, 1, 0xB3, ..] => Lasts::Nobody,
        // H.264, H.265, MPEG-4; pictures of JPEG one after another; AV1.
        [0, 0, 1, ..] | [0, 0, 0, 1, ..] | [0, 0, 0, 0, 1, ..] | [0xFF, 0xD8, 0xFF, ..] | [0x12, 0, 0x0A, ..] => Lasts::Clockless,
        _ => Lasts::AskDemuxer,
    };
    Ok((completeness(&mut file, head, len)?, lasts))
}

/// Enough for every packet to start in it.
const TAIL: u64 = 256 * 1024;

/// The 33 bits at 90 kHz of an MPEG-1 or 2 pack header.
fn system_clock(pack: &[u8]) -> Option<u64> {
    let b = |i: usize| pack.get(i).copied().map(u64::from);
    let (b4, b5, b6, b7, b8) = (b(4)?, b(5)?, b(6)?, b(7)?, b(8)?);
    match b4 >> 4 {
        2 => Some((b4 >> 1 & 7) << 30 | b5 << 22 | b6 >> 1 << 15 | b7 << 7 | b8 >> 1),
        4..=7 => Some((b4 >> 3 & 7) << 30 | (b4 & 3) << 28 | b5 << 20 | b6 >> 3 << 15 | (b6 & 3) << 13 | b7 << 5 | b8 >> 3),
        _ => None,
    }
}

fn completeness(file: &mut File, head: &[u8], len: u64) -> io::Result<Completeness> {
    match head {
        [_, _, _, _, b'f', b't', b'y', b'p', ..]
        | [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..]
        | [_, _, _, _, b'w', b'i', b'd', b'e', ..]
        | [_, _, _, _, b's', b't', b'y', b'p', ..] => boxes(file, len),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => riff(file, len),
        [0, 0, 1, 0xBA, ..] => program_stream(file, len),
        [0, 0, 1, 0xB3, ..] => video_sequence(file, len),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => ebml(file, len),
        _ => Ok(Completeness::Unknown),
    }
}

fn cut(what: impl Into<String>) -> Completeness {
    Completeness::Cut(what.into())
}

fn missing(needs: u64, has: u64) -> Completeness {
    cut(format!("{} of the {} bytes it announces are there", has, needs))
}

/// ISO base media: top-level boxes, one after another.
fn boxes(file: &mut File, len: u64) -> io::Result<Completeness> {
    let (mut at, mut index, mut data, mut open_end) = (0u64, false, false, false);
    while len - at >= 8 {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        let got = read_up_to(file, &mut header)?;
        let kind: [u8; 4] = [header[4], header[5], header[6], header[7]];
        let size = match u32::from_be_bytes([header[0], header[1], header[2], header[3]]) {
            0 => len - at,
            1 if got == 16 => u64::from_be_bytes(std::array::from_fn(|i| header[8 + i])),
            size => u64::from(size),
        };
        // Trailing bytes that are no box: recorders pad. The index decides whether that matters.
        if size < 8 || !kind.iter().all(|b| (0x20..0x7F).contains(b) || *b == 0xA9) {
            break;
        }
        open_end |= &kind == b"mdat" && header[..4] == [0; 4];
        index |= &kind == b"moov" || &kind == b"moof";
        data |= &kind == b"mdat";
        match at.checked_add(size) {
            Some(next) if next <= len => at = next,
            Some(next) if index => return Ok(missing(next, len)),
            _ => return Ok(cut("its index, which comes last, is missing")),
        }
    }
    Ok(match (index, data) {
        (false, _) => cut("its index, which comes last, is missing"),
        (true, false) => cut("its pictures are missing"),
        (true, true) if open_end => Completeness::Unknown,
        (true, true) => Completeness::Whole,
    })
}

/// AVI, also with several RIFF chunks (OpenDML).
fn riff(file: &mut File, len: u64) -> io::Result<Completeness> {
    let mut at = 0u64;
    loop {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        if read_up_to(file, &mut header)? < 8 || &header[..4] != b"RIFF" {
            return Ok(Completeness::Whole);
        }
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        if size == 0 || size == u32::MAX {
            return Ok(cut("the recording was never closed"));
        }
        let next = at + 8 + u64::from(size);
        // Some writers forget the padding byte.
        if next > len + 1 {
            return Ok(missing(next, len));
        }
        at = next + u64::from(size % 2);
    }
}

/// MPEG program stream: the last packets must end where the file ends. The end code is optional in practice.
fn program_stream(file: &mut File, len: u64) -> io::Result<Completeness> {
    let tail = tail(file, len, TAIL)?;
    let Some(mut at) = tail.windows(4).position(|w| w == [0, 0, 1, 0xBA]) else {
        return Ok(cut("its last packet is incomplete"));
    };
    while let Some(rest) = tail.get(at..).filter(|rest| !rest.is_empty()) {
        let size = match rest {
            [0, 0, 1, 0xB9, ..] => return Ok(Completeness::Whole),
            [0, 0, 1, 0xBA, mark, ..] if mark >> 4 == 2 => 12,
            [0, 0, 1, 0xBA, mark, ..] if mark >> 6 == 1 => match rest.get(13) {
                Some(stuffing) => 14 + usize::from(stuffing & 7),
                None => 14,
            },
            [0, 0, 1, 0xBB..=0xFF, high, low, ..] => 6 + usize::from(u16::from_be_bytes([*high, *low])),
            _ if rest.iter().all(|b| *b == 0) => return Ok(Completeness::Whole),
            // Lost step: find the next pack.
            _ => match rest.windows(4).skip(1).position(|w| w == [0, 0, 1, 0xBA]) {
                Some(next) => next + 1,
                None => return Ok(cut("its last packet is incomplete")),
            },
        };
        at += size;
        if at > tail.len() {
            return Ok(cut("its last packet is incomplete"));
        }
    }
    Ok(Completeness::Whole)
}

/// MPEG-1 or 2 video alone: the standard requires an end code.
fn video_sequence(file: &mut File, len: u64) -> io::Result<Completeness> {
    let tail = tail(file, len, 64 * 1024)?;
    let end = tail.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let ended = tail[..end].ends_with(&[0, 0, 1, 0xB7]);
    Ok(if ended { Completeness::Whole } else { cut("its end code is missing") })
}

/// Matroska and WebM: the segment's size, if it is known.
fn ebml(file: &mut File, len: u64) -> io::Result<Completeness> {
    let mut head = vec![0; 4096];
    file.seek(SeekFrom::Start(0))?;
    let got = read_up_to(file, &mut head)?;
    let head = &head[..got];
    let segment = || {
        let (size, used) = vint(head.get(4..)?)?;
        let at = 4 + used + usize::try_from(size?).ok()?;
        let body = head.get(at..)?.strip_prefix(&[0x18, 0x53, 0x80, 0x67])?;
        let (size, used) = vint(body)?;
        (at as u64 + 4 + used as u64).checked_add(size?)
    };
    Ok(match segment() {
        Some(needs) if needs > len => missing(needs, len),
        Some(_) => Completeness::Whole,
        None => Completeness::Unknown,
    })
}

/// An EBML number (`None` inside: unknown) and its length.
fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let body = bytes.get(1..length)?;
    let mask = (1u64 << (7 * length)) - 1;
    let value = body.iter().fold(u64::from(first), |value, byte| value << 8 | u64::from(*byte)) & mask;
    Some(((value != mask).then_some(value), length))
}

fn tail(file: &mut File, len: u64, most: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(len.saturating_sub(most)))?;
    let mut tail = vec![];
    file.take(most).read_to_end(&mut tail)?;
    Ok(tail)
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Completeness {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        look(file.path()).unwrap().0
    }

    fn mp4(parts: &[(&[u8; 4], usize)]) -> Vec<u8> {
        parts
            .iter()
            .flat_map(|(kind, body)| [&(8 + *body as u32).to_be_bytes()[..], &kind[..], &vec![7; *body]].concat())
            .collect()
    }

    #[test]
    fn an_mp4_lacks_its_end_or_its_index() {
        let last = mp4(&[(b"ftyp", 16), (b"mdat", 500), (b"moov", 100)]);
        assert_eq!(of(&last), Completeness::Whole);
        assert!(matches!(of(&last[..300]), Completeness::Cut(what) if what.contains("index")));
        assert!(matches!(of(&last[..532]), Completeness::Cut(what) if what.contains("index")));
        let first = mp4(&[(b"ftyp", 16), (b"moov", 100), (b"mdat", 500)]);
        assert!(matches!(of(&first[..400]), Completeness::Cut(what) if what.contains("400 of the 640 bytes")));
    }

    #[test]
    fn an_avi_that_was_never_closed_is_cut() {
        let avi = |size: u32, has: usize| [b"RIFF", &size.to_le_bytes()[..], b"AVI ", &vec![0; has - 12]].concat();
        assert_eq!(of(&avi(92, 100)), Completeness::Whole);
        assert!(matches!(of(&avi(0, 100)), Completeness::Cut(_)));
        assert!(matches!(of(&avi(200, 100)), Completeness::Cut(_)));
    }

    #[test]
    fn a_program_stream_ends_with_a_whole_packet() {
        let pack = [0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0, 1];
        let pes = [&[0, 0, 1, 0xE0, 0, 10][..], &[9; 10]].concat();
        let whole = [&pack[..], &pes, &pack, &pes].concat();
        assert_eq!(of(&whole), Completeness::Whole);
        assert_eq!(of(&[&whole[..], &[0, 0, 1, 0xB9]].concat()), Completeness::Whole);
        assert!(matches!(of(&whole[..whole.len() - 3]), Completeness::Cut(_)));
    }

    #[test]
    fn a_system_clock_is_read_from_either_kind_of_pack() {
        // One hour: 324,000,000 ticks.
        let ticks = 324_000_000u64;
        let one = |shift: u64, bits: u32| (ticks >> shift & ((1 << bits) - 1)) as u8;
        let mpeg1 = [0, 0, 1, 0xBA, 0x21 | one(30, 3) << 1, one(22, 8), one(15, 7) << 1 | 1, one(7, 8), one(0, 7) << 1 | 1];
        assert_eq!(system_clock(&mpeg1), Some(ticks));
        let mpeg2 = [
            0,
            0,
            1,
            0xBA,
            0x44 | one(30, 3) << 3 | one(28, 2),
            one(20, 8),
            one(15, 5) << 3 | 4 | one(13, 2),
            one(5, 8),
            one(0, 5) << 3 | 4,
        ];
        assert_eq!(system_clock(&mpeg2), Some(ticks));
    }

    #[test]
    fn a_matroska_segment_of_unknown_size_says_nothing() {
        let mkv = |size: &[u8], body: usize| {
            [&[0x1A, 0x45, 0xDF, 0xA3, 0x82, 1, 2, 0x18, 0x53, 0x80, 0x67], size, &vec![0; body]].concat()
        };
        assert_eq!(of(&mkv(&[0xFF], 10)), Completeness::Unknown);
        assert_eq!(of(&mkv(&[0x8A], 10)), Completeness::Whole);
        assert!(matches!(of(&mkv(&[0x40, 99], 10)), Completeness::Cut(_)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_loop(
            magic in prop::sample::select(vec![&b"\0\0\0\x10ftyp"[..], b"RIFF\x10\0\0\0AVI ", &[0, 0, 1, 0xBA], &[0, 0, 1, 0xB3], &[0x1A, 0x45, 0xDF, 0xA3], b""]),
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            of(&[magic, &bytes].concat());
        }
    }
}
