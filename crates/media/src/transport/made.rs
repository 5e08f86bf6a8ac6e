//! Streams as muxers write them, for tests.

/// The stream of pictures, and where its table is.
pub(crate) const PICTURES: u16 = 0x101;
const TABLE: u16 = 0x100;
/// The kind of H.264 in a table.
pub(crate) const H264: u8 = 0x1B;

/// A header of a picture with its times at 90 kHz: of presentation and, if it is another one, of decoding.
pub(crate) fn header(pts: i64, dts: Option<i64>) -> Vec<u8> {
    let time = |tag: u8, time: i64| {
        let time = time.rem_euclid(1 << 33);
        let byte = |shift: i64| (time >> shift & 0xFF) as u8;
        [tag << 4 | byte(30) << 1 & 0xE | 1, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
    };
    match dts {
        Some(dts) => [&[0x80, 0xC0, 10][..], &time(3, pts), &time(1, dts)].concat(),
        None => [&[0x80, 0x80, 5][..], &time(2, pts)].concat(),
    }
}

/// Writes a transport stream, packet by packet.
#[derive(Debug, Default)]
pub(crate) struct Muxer {
    pub(crate) bytes: Vec<u8>,
    counters: std::collections::BTreeMap<u16, u8>,
}

impl Muxer {
    /// One that has said already that it holds streams of these kinds.
    pub(crate) fn of(streams: &[(u16, u8)]) -> Self {
        let mut muxer = Self::default();
        muxer.tables(streams);
        muxer
    }

    pub(crate) fn tables(&mut self, streams: &[(u16, u8)]) {
        let place = |pid: u16| [0xE0 | (pid >> 8) as u8, pid as u8];
        let pat = section(0, &[&[0, 1][..], &place(TABLE)].concat());
        let rows = streams.iter().flat_map(|(pid, kind)| [&[*kind][..], &place(*pid), &[0xF0, 0]].concat());
        let head = [&place(streams.first().map_or(PICTURES, |(pid, _)| *pid))[..], &[0xF0, 0]].concat();
        let pmt = section(2, &head.into_iter().chain(rows).collect::<Vec<u8>>());
        for (pid, table) in [(0, pat), (TABLE, pmt)] {
            self.packets(pid, &[&[0][..], &table].concat());
        }
    }

    /// A picture: what begins with its header.
    pub(crate) fn picture(&mut self, pid: u16, pts: i64, dts: Option<i64>, data: &[u8]) {
        self.packets(pid, &[&[0, 0, 1, 0xE0, 0, 0][..], &header(pts, dts), data].concat());
    }

    fn packets(&mut self, pid: u16, mut payload: &[u8]) {
        let mut begins = 0x40;
        while begins != 0 || !payload.is_empty() {
            let counter = self.counters.entry(pid).or_default();
            let now = payload.len().min(184);
            let stuffing = 184 - now;
            let control = if stuffing > 0 { 0x30 } else { 0x10 };
            self.bytes.extend([0x47, begins | (pid >> 8) as u8, pid as u8, control | *counter]);
            *counter = (*counter + 1) & 0x0F;
            match stuffing {
                0 => {}
                1 => self.bytes.push(0),
                more => self.bytes.extend([&[(more - 1) as u8, 0][..], &vec![0xFF; more - 2]].concat()),
            }
            self.bytes.extend(&payload[..now]);
            (payload, begins) = (&payload[now..], 0);
        }
    }
}

pub(super) fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 9;
    let mut section = vec![id, 0xB0 | (length >> 8) as u8, length as u8, 0, 1, 0xC1, 0, 0];
    section.extend(body);
    let crc = super::tables::crc(&section);
    section.extend(crc.to_be_bytes());
    section
}

/// A packet of a program stream.
pub(crate) fn program_packet(number: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (header.len() + body.len()) as u16;
    [&[0, 0, 1, number][..], &length.to_be_bytes(), header, body].concat()
}

/// What every packet of a program stream may follow.
pub(crate) const PACK: [u8; 12] = [0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0, 1];
