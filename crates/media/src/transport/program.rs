//! MPEG program streams: what many recorders and all DVDs write. A packet belongs to one stream and says how long it is.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read},
};

use super::{
    coded::{Coded, Event, MOST_NAMED, Pictures},
    line::{Line, Stamp},
    tables::Codec,
};

/// A header of a recorder's own before the first pack.
const LEAD: [&[u8]; 1] = [b"IMKH"];
const PACK: [u8; 4] = [0, 0, 1, 0xBA];
/// How far behind the beginning of a file its first pack may be.
const NEAR: usize = 4096;
const CHUNK: usize = 256 * 1024;

/// Where the first pack of a file is.
pub(super) fn start(head: &[u8]) -> Option<u64> {
    let led = LEAD.iter().any(|lead| head.starts_with(lead));
    let near = head.len().min(if led { NEAR } else { PACK.len() });
    head[..near].windows(4).position(|bytes| bytes == PACK).map(|at| at as u64)
}

/// Takes the first stream of pictures out of a program stream.
#[derive(Debug)]
pub(crate) struct Program<R> {
    input: R,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
    payload: bool,
    line: Line,
    /// What the stream says of its parts, by their numbers.
    kinds: BTreeMap<u8, u8>,
    chosen: Option<(u8, Codec)>,
    /// Bytes that make no sense lie before what comes.
    slipped: bool,
    ready: VecDeque<Event>,
    left_out: Vec<String>,
}

impl<R: Read> Program<R> {
    pub(super) fn new(input: R, payload: bool) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            at: 0,
            ended: false,
            payload,
            line: Line::default(),
            kinds: BTreeMap::new(),
            chosen: None,
            slipped: false,
            ready: VecDeque::new(),
            left_out: Vec::new(),
        }
    }

    /// So many bytes from where it is, or what is left.
    fn look(&mut self, wanted: usize) -> io::Result<&[u8]> {
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
        let end = self.buffer.len().min(self.at + wanted);
        Ok(&self.buffer[self.at..end])
    }

    /// Takes one packet; false at the end.
    fn step(&mut self) -> io::Result<bool> {
        let head = self.look(14)?;
        let length = match *head {
            [0, 0, 1, 0xBA, mark, ..] if mark >> 4 == 2 => 12,
            [0, 0, 1, 0xBA, mark, .., stuffing] if mark >> 6 == 1 && head.len() == 14 => 14 + usize::from(stuffing & 7),
            [0, 0, 1, 0xB9, ..] => 4,
            [0, 0, 1, 0xBB..=0xFF, high, low, ..] if high | low != 0 => 6 + (usize::from(high) << 8 | usize::from(low)),
            [] => return Ok(false),
            _ => return self.slip(),
        };
        let packet = self.look(length)?.to_vec();
        self.at += packet.len();
        match packet.get(3) {
            Some(0xBC) => self.map(&packet),
            Some(number @ 0xE0..=0xEF) => self.pictures(*number, &packet),
            Some(0xFD) => self.name("stream fd (VC-1)".to_owned()),
            _ => {}
        }
        Ok(true)
    }

    /// On to the next pack.
    fn slip(&mut self) -> io::Result<bool> {
        // What recorders fill up with is nothing lost.
        self.slipped |= self.look(4)?.iter().any(|byte| *byte != 0);
        loop {
            let ahead = self.look(CHUNK)?;
            if ahead.len() < 5 {
                self.at = self.buffer.len();
                return Ok(false);
            }
            match ahead[1..].windows(4).position(|bytes| bytes == PACK) {
                Some(at) => {
                    self.at += 1 + at;
                    return Ok(true);
                }
                None => self.at += ahead.len() - 4,
            }
        }
    }

    fn map(&mut self, packet: &[u8]) {
        let number = |at: usize| packet.get(at..at + 2).map_or(0, |b| usize::from(b[0]) << 8 | usize::from(b[1]));
        let mut at = 12 + number(8);
        let end = (at + number(at - 2)).min(packet.len().saturating_sub(4));
        while at + 4 <= end {
            self.kinds.insert(packet[at + 1], packet[at]);
            at += 4 + number(at + 2);
        }
    }

    fn name(&mut self, named: String) {
        if self.left_out.len() < MOST_NAMED && !self.left_out.contains(&named) {
            self.left_out.push(named);
        }
    }

    fn pictures(&mut self, number: u8, packet: &[u8]) {
        let (stamp, used) = match packet.get(6).map(|mark| mark >> 6) {
            Some(2) => match Stamp::read(packet) {
                Some(read) => read,
                None => return self.slipped = true,
            },
            _ => Stamp::read_old(packet),
        };
        let body = packet.get(used..).unwrap_or_default();
        let known = self.kinds.get(&number).and_then(|kind| Codec::of(*kind)).or_else(|| sniff(body));
        let before = self.chosen;
        match (before, known) {
            (Some((chosen, _)), known) if chosen != number => {
                if let Some(codec) = known {
                    self.name(format!("stream {number:x} ({})", codec.name()));
                }
                return;
            }
            (Some((_, now)), Some(codec)) if now != codec => {
                self.chosen = Some((number, codec));
                self.ready.push_back(Event::Codec(codec));
            }
            (None, Some(codec)) => {
                self.chosen = Some((number, codec));
                self.ready.push_back(Event::Codec(codec));
            }
            (None, None) => return,
            _ => {}
        }
        let step = self.line.place(stamp, false);
        // A loss is told with the next time that is known; before the first picture nothing is lost.
        let gap = self.slipped && before.is_some() && step.pts.is_some();
        self.slipped &= before.is_some() && !gap;
        let data = if self.payload { body.to_vec() } else { Vec::new() };
        let coded = Coded { data, pts: step.pts, dts: step.dts, damaged: gap, gap, restart: step.restart };
        self.ready.push_back(Event::Coded(coded));
    }
}

/// What pictures begin with.
fn sniff(body: &[u8]) -> Option<Codec> {
    let at = body.windows(3).take(64).position(|bytes| bytes == [0, 0, 1])?;
    match body.get(at + 3..at + 5)? {
        [0xB3, _] => Some(Codec::Mpeg12),
        [0xB0, _] => Some(Codec::Mpeg4),
        // VPS, SPS, PPS, AUD, SEI.
        [0x40 | 0x42 | 0x44 | 0x46 | 0x4E, 1] => Some(Codec::H265),
        // SPS, AUD.
        [0x27 | 0x47 | 0x67 | 0x09, _] => Some(Codec::H264),
        _ => None,
    }
}

impl<R: Read> Pictures for Program<R> {
    fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    fn usual(&self) -> i64 {
        self.line.usual()
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::made::{PACK, program_packet as packet},
        *,
    };

    fn events(bytes: &[u8]) -> (Vec<Event>, Vec<String>) {
        let mut program = Program::new(bytes, true);
        let mut events = Vec::new();
        while let Some(event) = program.next().unwrap() {
            events.push(event);
        }
        (events, program.left_out())
    }

    #[test]
    fn pictures_of_both_kinds_of_packet_are_taken_and_the_others_named() {
        let pack = PACK;
        let old = packet(0xE0, &[0xFF, 0xFF, 0x40, 0x20, 0x21, 0, 1, 0, 1], &[0, 0, 1, 0xB3, 7]);
        let new = packet(0xE0, &[0x80, 0x80, 5, 0x21, 0, 1, 0x23, 0x29], &[0, 0, 1, 0, 9]);
        let other = packet(0xE1, &[0x80, 0, 0], &[0, 0, 0, 1, 0x67, 1]);
        let (events, left_out) = events(&[&pack[..], &old, &other, b"noise", &pack, &new].concat());
        let coded = |event: &Event| match event {
            Event::Coded(coded) => (coded.data.clone(), coded.gap),
            Event::Codec(_) => panic!("{event:?}"),
        };
        assert_eq!(events[0], Event::Codec(Codec::Mpeg12));
        assert_eq!(coded(&events[1]), (vec![0, 0, 1, 0xB3, 7], false));
        assert_eq!(coded(&events[2]), (vec![0, 0, 1, 0, 9], true));
        assert_eq!((events.len(), left_out), (3, vec!["stream e1 (H.264)".to_owned()]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_loop(parts in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            (0xB9u8.., prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(id, more)| [&[0, 0, 1, id][..], &more].concat()),
        ], 0..40)) {
            events(&parts.concat());
        }
    }
}
