//! Bytes to packets.

use std::io::{self, Read, Seek, SeekFrom};

const PACKET: usize = 188;
const SYNC: u8 = 0x47;

/// How packets lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// From one packet to the next: 188; 192 with a time before each (Blu-ray, AVCHD); 204 with a checksum behind.
    step: usize,
    /// Where the first one begins: a file may be cut anywhere.
    start: usize,
}

/// So many packets in a row are no accident.
const IN_A_ROW: usize = 5;

impl Layout {
    /// Nothing but packets.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) const USUAL: Self = Self { step: PACKET, start: 0 };

    /// By the beginning of a file.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        // What has a sign of its own is something else, whatever is in it.
        let other = [&b"RIFF"[..], &[0x1A, 0x45, 0xDF, 0xA3], &[0, 0, 1], b"FLV", b"OggS"];
        if other.iter().any(|sign| head.starts_with(sign)) || head.get(4..8).is_some_and(|kind| kind == b"ftyp") {
            return None;
        }
        [PACKET, 192, 204].into_iter().find_map(|step| {
            let fits = |start: &usize| {
                let mut signs = (0..IN_A_ROW).map(|n| head.get(start + n * step));
                signs.all(|sign| sign == Some(&SYNC))
            };
            (0..step).find(fits).map(|start| Self { step, start })
        })
    }

    pub(super) fn start(self) -> u64 {
        self.start as u64
    }

    pub(super) fn step(self) -> usize {
        self.step
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Packet {
    pub(super) bytes: [u8; PACKET],
    /// Bytes that were no packet lie before it.
    pub(super) slipped: bool,
}

/// Packets, one after another.
#[derive(Debug)]
pub(super) struct Packets<R> {
    input: R,
    step: usize,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
}

const CHUNK: usize = 256 * 1024;

impl<R: Read> Packets<R> {
    /// `input` begins with the first packet.
    pub(super) fn new(input: R, layout: Layout) -> Self {
        Self { input, step: layout.step, buffer: Vec::new(), at: 0, ended: false }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Packet>> {
        let mut slipped = false;
        loop {
            // Two more behind it, where there are: one byte proves nothing.
            self.fill(3 * self.step)?;
            let rest = &self.buffer[self.at..];
            let Some(packet) = rest.first_chunk::<PACKET>() else { return Ok(None) };
            let fits = |n: usize| rest.get(n * self.step).is_none_or(|sign| *sign == SYNC);
            if packet[0] == SYNC && (!slipped || (fits(1) && fits(2))) {
                let bytes = *packet;
                self.at = (self.at + self.step).min(self.buffer.len());
                return Ok(Some(Packet { bytes, slipped }));
            }
            slipped = true;
            self.at += 1;
        }
    }

    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while !self.ended && self.buffer.len() - self.at < wanted {
            self.buffer.drain(..self.at);
            self.at = 0;
            let before = self.buffer.len();
            self.buffer.resize(before + CHUNK, 0);
            let got = match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                got => {
                    let got = got?;
                    self.ended = got == 0;
                    got
                }
            };
            self.buffer.truncate(before + got);
        }
        Ok(())
    }
}

/// All of a file, or some packets here and there and all of its end.
#[derive(Debug)]
pub(super) struct Sparse<R> {
    input: R,
    /// Bytes that are read in a row, and then passed over; both are whole packets.
    read: u64,
    pass: u64,
    left: u64,
}

/// Packets that are read in a row, and that are passed over.
const READ: u64 = 4_000;
const PASS: u64 = 60_000;

impl<R: Read + Seek> Sparse<R> {
    /// `step`: the length of a packet.
    pub(super) fn new(input: R, step: usize, sparse: bool) -> Self {
        let step = step as u64;
        let read = if sparse { READ * step } else { u64::MAX };
        Self { input, read, pass: PASS * step, left: read }
    }
}

impl<R: Read + Seek> Read for Sparse<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let at = self.input.stream_position()?;
            let end = self.input.seek(SeekFrom::End(0))?;
            // What is left is its end.
            if end.saturating_sub(at) <= self.pass + self.read {
                self.input.seek(SeekFrom::Start(at))?;
                self.left = u64::MAX;
            } else {
                self.input.seek(SeekFrom::Start(at + self.pass))?;
                self.left = self.read;
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let got = self.input.read(&mut buffer[..most])?;
        self.left -= got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(step: usize, before: usize, count: u8) -> Vec<u8> {
        let lead = if step == 192 { 4 } else { 0 };
        let mut bytes = vec![1; before];
        for n in 0..count {
            bytes.extend(vec![2; lead]);
            bytes.extend([&[SYNC, n][..], &[3; PACKET - 2], &vec![4; step - PACKET - lead]].concat());
        }
        bytes
    }

    fn numbers(mut packets: Packets<impl Read>) -> Vec<(u8, bool)> {
        let mut numbers = Vec::new();
        while let Some(packet) = packets.next().unwrap() {
            numbers.push((packet.bytes[1], packet.slipped));
        }
        numbers
    }

    #[test]
    fn packets_of_every_kind_are_found_wherever_the_file_was_cut() {
        for (step, before) in [(188, 0), (188, 100), (192, 0), (204, 7)] {
            let bytes = file(step, before, 20);
            let layout = Layout::of(&bytes).unwrap();
            let packets = Packets::new(&bytes[layout.start..], layout);
            assert_eq!(numbers(packets), (0..20).map(|n| (n, false)).collect::<Vec<_>>(), "{step} {before}");
        }
        assert_eq!(Layout::of(b"\0\0\0\x18ftypmp42GGGGGGGGGGGG"), None);
        assert_eq!(Layout::of(&[0; 4096]), None);
    }

    #[test]
    fn bytes_that_are_missing_or_too_many_cost_the_packets_they_are_in_and_no_other() {
        let mut bytes = file(188, 0, 20);
        bytes.drain(188 * 5 + 50..188 * 5 + 60);
        bytes.splice(188 * 10..188 * 10, [9; 33]);
        let got = numbers(Packets::new(&bytes[..], Layout { step: 188, start: 0 }));
        let slipped: Vec<u8> = got.iter().filter(|(_, slipped)| *slipped).map(|(n, _)| *n).collect();
        assert!(slipped.len() == 2 && got.len() >= 18, "{got:?}");
    }
}
