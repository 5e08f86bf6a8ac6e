//! Which streams there are: PAT and PMT (ISO/IEC 13818-1).

use std::collections::BTreeMap;

/// How pictures are encoded, of those that are taken out of a transport stream here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Mpeg12,
    Mpeg4,
    H264,
    H265,
}

impl Codec {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mpeg12 => "MPEG-2",
            Self::Mpeg4 => "MPEG-4",
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }

    pub(super) fn of(kind: u8) -> Option<Self> {
        match kind {
            0x01 | 0x02 => Some(Self::Mpeg12),
            0x10 => Some(Self::Mpeg4),
            0x1B => Some(Self::H264),
            0x24 => Some(Self::H265),
            _ => None,
        }
    }
}

/// Other pictures, that are named alone.
fn other(kind: u8) -> Option<&'static str> {
    match kind {
        0x20 => Some("H.264 MVC"),
        0x21 => Some("JPEG 2000"),
        0x33 => Some("H.266"),
        0x42 => Some("AVS"),
        0xEA => Some("VC-1"),
        _ => None,
    }
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Where the tables of the programs are.
    programs: Vec<u16>,
    /// The streams of each.
    streams: BTreeMap<u16, Vec<(u16, u8)>>,
    parts: BTreeMap<u16, Vec<u8>>,
}

/// As the standard has it.
const LONGEST: usize = 3 + 1021;
/// Programs of one stream that are followed.
const PROGRAMS: usize = 64;

impl Tables {
    /// Takes a packet; true if what is known has changed.
    pub(super) fn take(&mut self, pid: u16, begins: bool, payload: &[u8]) -> bool {
        if pid != 0 && !self.programs.contains(&pid) {
            return false;
        }
        let mut changed = false;
        let mut rest = payload;
        if begins {
            let Some((pointer, behind)) = payload.split_first() else { return false };
            let pointer = usize::from(*pointer).min(behind.len());
            changed |= self.add(pid, &behind[..pointer]);
            self.parts.insert(pid, Vec::new());
            rest = &behind[pointer..];
        }
        changed | self.add(pid, rest)
    }

    fn add(&mut self, pid: u16, bytes: &[u8]) -> bool {
        let Some(part) = self.parts.get_mut(&pid) else { return false };
        part.extend_from_slice(bytes);
        let mut changed = false;
        while let Some([id, high, low]) = self.parts.get(&pid).and_then(|part| part.first_chunk::<3>().copied()) {
            let length = 3 + (usize::from(high & 0x0F) << 8 | usize::from(low));
            let part = self.parts.entry(pid).or_default();
            if id == 0xFF || length > LONGEST {
                // Stuffing, or nonsense: on to the next that begins.
                self.parts.remove(&pid);
                break;
            }
            if part.len() < length {
                break;
            }
            let section: Vec<u8> = part.drain(..length).collect();
            changed |= self.section(pid, &section);
        }
        changed
    }

    fn section(&mut self, pid: u16, section: &[u8]) -> bool {
        // For later, or broken.
        if section.len() < 12 || section[5] & 1 == 0 || crc(section) != 0 {
            return false;
        }
        let body = &section[8..section.len() - 4];
        let number = |high: u8, low: u8| u16::from(high & 0x1F) << 8 | u16::from(low);
        match (pid, section[0]) {
            (0, 0) => {
                let rows = body.chunks_exact(4).filter(|row| row[..2] != [0, 0]);
                let programs: Vec<u16> = rows.map(|row| number(row[2], row[3])).take(PROGRAMS).collect();
                // A long table comes in pieces; the first one begins anew.
                if section[6] == 0 && self.programs != programs {
                    self.streams.retain(|program, _| programs.contains(program));
                    self.programs = programs;
                    return true;
                }
                false
            }
            (_, 2) => {
                let info = body.get(2..4).map_or(0, |b| usize::from(b[0] & 0x0F) << 8 | usize::from(b[1]));
                let mut rows = body.get(4 + info..).unwrap_or_default();
                let mut streams = Vec::new();
                while let [kind, high, low, more, length, rest @ ..] = rows {
                    let length = usize::from(more & 0x0F) << 8 | usize::from(*length);
                    streams.push((number(*high, *low), *kind));
                    rows = rest.get(length..).unwrap_or_default();
                }
                self.streams.insert(pid, streams.clone()) != Some(streams)
            }
            _ => false,
        }
    }

    fn all(&self) -> impl Iterator<Item = (u16, u8)> {
        self.programs.iter().filter_map(|program| self.streams.get(program)).flatten().copied()
    }

    /// Those that can be taken, in the order of their programs.
    pub(super) fn pictures(&self) -> Vec<(u16, Codec)> {
        self.all().filter_map(|(pid, kind)| Some((pid, Codec::of(kind)?))).collect()
    }

    /// Pictures that can't be taken, for people.
    pub(super) fn others(&self) -> impl Iterator<Item = (u16, &'static str)> {
        self.all().filter_map(|(pid, kind)| Some((pid, other(kind)?)))
    }
}

/// Of a whole section with its checksum it is 0.
pub(super) fn crc(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::made::section, *};

    #[test]
    fn streams_of_pictures_are_known_once_both_tables_have_come_whole() {
        let mut tables = Tables::default();
        let pat = [&[0][..], &section(0, &[0, 1, 0xE1, 0])].concat();
        let pmt = [&[0][..], &section(2, &[0xE1, 1, 0xF0, 0, 0x0F, 0xE1, 2, 0xF0, 0, 0x1B, 0xE1, 1, 0xF0, 0])].concat();
        assert!(tables.take(0, true, &pat) && !tables.take(0, true, &pat));
        assert!(!tables.take(0x100, true, &pmt[..10]) && tables.pictures().is_empty());
        assert!(tables.take(0x100, false, &pmt[10..]));
        assert_eq!(tables.pictures(), [(0x101, Codec::H264)]);
        let mut broken = pmt.clone();
        broken[14] ^= 1;
        assert!(!tables.take(0x100, true, &broken));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packets in prop::collection::vec((0u16..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..184)), 0..30)) {
            let mut tables = Tables { programs: vec![1, 2], ..Tables::default() };
            for (pid, begins, payload) in packets {
                tables.take(pid, begins, &payload);
            }
        }
    }
}
