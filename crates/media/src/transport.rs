//! MPEG transport and program streams, taken apart by ourselves. GStreamer 1.22 goes by the clock of the multiplex (PCR, SCR):
//! where that wraps, starts again or jumps, its times are guesses, and one lost packet costs a whole picture. Here every picture
//! keeps the time of presentation that its own packet says, unwrapped, and what is lost is known picture by picture.
//!
//! ```text
//! transport: bytes ─▶ packets (188, 192, 204 bytes) ─▶ PAT, PMT: which streams ─▶ PES of one ─┐
//! program:   bytes ─▶ packs ─▶ PES of one stream ────────────────────────────────────────────┴▶ line of time ─▶ Coded
//! ```

mod coded;
mod line;
#[cfg(test)]
pub(crate) mod made;
mod packets;
mod program;
mod tables;

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    time::Duration,
};

use self::{
    coded::MOST_NAMED,
    line::{Line, Stamp},
    packets::{Layout, Packet, Packets, Sparse},
    program::Program,
    tables::Tables,
};
pub(crate) use self::{
    coded::{Coded, Event, Pictures},
    tables::Codec,
};

/// The longest PES packet that is put together: a picture of 8K that is barely compressed.
const LARGEST: usize = 32 << 20;
/// A step from one picture to the next of so many halves of a usual one has a picture missing in it, if packets are.
const MISSING: i64 = 3;

/// Takes the first stream of pictures out of a transport stream.
#[derive(Debug)]
pub(crate) struct Demuxer<R> {
    packets: Packets<R>,
    tables: Tables,
    /// Its identifier, and its codec.
    chosen: Option<(u16, Codec)>,
    /// Whether what is in the packets is wanted, or their times alone.
    payload: bool,
    open: Option<Open>,
    counter: Option<u8>,
    /// Packets were lost since the open one began.
    lost: bool,
    /// The stream says itself that its clock breaks here.
    announced: bool,
    line: Line,
    ready: VecDeque<Event>,
    left_out: Vec<String>,
    done: bool,
}

/// A PES packet that is being put together.
#[derive(Debug)]
struct Open {
    stamp: Stamp,
    coded: Coded,
    /// Its header, as long as it is not whole.
    head: Vec<u8>,
    headless: bool,
    /// Packets were lost before it, maybe whole pictures.
    after_loss: bool,
    announced: bool,
}

impl Coded {
    fn add(&mut self, bytes: &[u8], wanted: bool) {
        if !wanted {
        } else if self.data.len() + bytes.len() > LARGEST {
            self.damaged = true;
        } else {
            self.data.extend_from_slice(bytes);
        }
    }
}

/// What a whole file says without its pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// From the first picture to the end of the last.
    pub(crate) lasts: Option<Duration>,
    /// Streams of pictures that are not looked at, for people.
    pub(crate) left_out: Vec<String>,
}

/// Larger files are looked at here and there: what is between two places is told by their times.
const SPARSE: u64 = 256 << 20;

/// How a file's packets lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Transport(Layout),
    Program { start: u64 },
}

impl Kind {
    fn of(file: &mut File) -> io::Result<Option<Self>> {
        file.seek(SeekFrom::Start(0))?;
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        let program = program::start(&head).map(|start| Self::Program { start });
        Ok(program.or_else(|| Layout::of(&head).map(Self::Transport)))
    }
}

const HEAD: u64 = 16 * 1024;

/// A stream's pictures, of a file that is one.
pub(crate) fn open(mut file: File) -> io::Result<Option<Box<dyn Pictures + Send>>> {
    let kind = Kind::of(&mut file)?;
    Ok(match kind {
        None => None,
        Some(Kind::Program { start }) => {
            file.seek(SeekFrom::Start(start))?;
            Some(Box::new(Program::new(file, true)))
        }
        Some(Kind::Transport(layout)) => {
            file.seek(SeekFrom::Start(layout.start()))?;
            Some(Box::new(Demuxer::new(file, layout, true)))
        }
    })
}

/// For people.
pub(crate) fn name(file: &mut File) -> io::Result<Option<&'static str>> {
    Ok(Kind::of(file)?.map(|kind| match kind {
        Kind::Transport(_) => "MPEG transport stream",
        Kind::Program { .. } => "MPEG program stream",
    }))
}

/// Reads the times of a file.
pub(crate) fn survey(mut file: File) -> io::Result<Survey> {
    let sparse = file.seek(SeekFrom::End(0))? > SPARSE;
    let kind = Kind::of(&mut file)?;
    match kind {
        None => Ok(Survey::default()),
        Some(Kind::Transport(layout)) => {
            file.seek(SeekFrom::Start(layout.start()))?;
            times(&mut Demuxer::new(Sparse::new(file, layout.step(), sparse), layout, false))
        }
        Some(Kind::Program { start }) => {
            file.seek(SeekFrom::Start(start))?;
            times(&mut Program::new(Sparse::new(file, PACK, sparse), false))
        }
    }
}

/// About what is between two packs.
const PACK: usize = 2048;

fn times(pictures: &mut dyn Pictures) -> io::Result<Survey> {
    let (mut first, mut last) = (None::<i64>, None::<i64>);
    while let Some(event) = pictures.next()? {
        if let Event::Coded(Coded { pts: Some(pts), .. }) = event {
            first = Some(first.map_or(pts, |first| first.min(pts)));
            last = Some(last.map_or(pts, |last| last.max(pts)));
        }
    }
    let ticks = first.zip(last).and_then(|(first, last)| u64::try_from(last - first + pictures.usual()).ok());
    let lasts = ticks.map(|ticks| Duration::from_nanos(ticks * 100_000 / 9));
    Ok(Survey { lasts, left_out: pictures.left_out() })
}

impl<R: Read> Demuxer<R> {
    fn new(input: R, layout: Layout, payload: bool) -> Self {
        Self {
            packets: Packets::new(input, layout),
            tables: Tables::default(),
            chosen: None,
            payload,
            open: None,
            counter: None,
            lost: false,
            announced: false,
            line: Line::default(),
            ready: VecDeque::new(),
            left_out: Vec::new(),
            done: false,
        }
    }

    /// Takes one packet; false at the end.
    fn step(&mut self) -> io::Result<bool> {
        let Some(packet) = self.packets.next()? else { return Ok(false) };
        let Packet { bytes, slipped } = packet;
        let (flags, control) = (bytes[1], bytes[3]);
        let pid = u16::from(flags & 0x1F) << 8 | u16::from(bytes[2]);
        let begins = flags & 0x40 != 0;
        let (mut at, mut discontinuity) = (4, false);
        if control & 0x20 != 0 {
            let length = usize::from(bytes[4]);
            discontinuity = length > 0 && bytes[5] & 0x80 != 0;
            at += 1 + length;
        }
        let payload = if control & 0x10 != 0 { bytes.get(at..).unwrap_or_default() } else { &[] };
        if slipped {
            self.lost = true;
            self.damage();
        }
        // The packet is known to be wrong: neither its number nor what is in it can be believed.
        if flags & 0x80 != 0 {
            if self.chosen.is_some_and(|(chosen, _)| chosen == pid) {
                self.lost = true;
                self.damage();
            }
            return Ok(true);
        }
        if self.chosen.is_none_or(|(chosen, _)| chosen != pid) {
            if self.tables.take(pid, begins, payload) {
                self.choose();
            }
            return Ok(true);
        }
        self.announced |= discontinuity;
        if control & 0x10 == 0 {
            return Ok(true);
        }
        let counter = control & 0x0F;
        match self.counter.replace(counter) {
            // Sent twice, as may be.
            Some(before) if before == counter && !discontinuity => return Ok(true),
            Some(before) if before.wrapping_add(1) & 0x0F != counter && !discontinuity => {
                self.lost = true;
                self.damage();
            }
            _ => {}
        }
        // What is scrambled has no picture.
        if control & 0xC0 != 0 {
            return Ok(true);
        }
        if begins {
            self.close();
            let (after_loss, announced) = (std::mem::take(&mut self.lost), std::mem::take(&mut self.announced));
            let (stamp, coded, head) = (Stamp::default(), Coded::default(), Vec::new());
            self.open = Some(Open { stamp, coded, head, headless: true, after_loss, announced });
        }
        self.append(payload);
        Ok(true)
    }

    fn damage(&mut self) {
        if let Some(open) = &mut self.open {
            open.coded.damaged = true;
        }
    }

    /// The tables changed: takes the first stream of pictures there is, unless the one that was taken is still there.
    fn choose(&mut self) {
        let streams = self.tables.pictures();
        let kept = self.chosen.filter(|chosen| streams.contains(chosen));
        let Some(now) = kept.or_else(|| streams.first().copied()) else { return };
        let beside = streams.iter().filter(|stream| **stream != now).map(|(pid, codec)| (*pid, codec.name()));
        for (pid, codec) in beside.chain(self.tables.others()) {
            let named = format!("stream {pid} ({codec})");
            if self.left_out.len() < MOST_NAMED && !self.left_out.contains(&named) {
                self.left_out.push(named);
            }
        }
        if self.chosen == Some(now) {
            return;
        }
        self.close();
        let before = self.chosen.replace(now);
        self.counter = None;
        if before.is_none_or(|(_, codec)| codec != now.1) {
            self.ready.push_back(Event::Codec(now.1));
        }
    }

    fn append(&mut self, payload: &[u8]) {
        let Some(open) = &mut self.open else { return };
        if !open.headless {
            open.coded.add(payload, self.payload);
            return;
        }
        open.head.extend_from_slice(payload);
        let Some((stamp, used)) = Stamp::read(&open.head) else { return };
        open.stamp = stamp;
        open.headless = false;
        let rest = open.head.split_off(used.min(open.head.len()));
        open.coded.add(&rest, self.payload);
        open.head = Vec::new();
    }

    /// What was put together is whole, or as whole as it gets.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if open.headless {
            self.lost = true;
            return;
        }
        let step = self.line.place(open.stamp, open.announced);
        // What is lost is told with the next time that is known.
        self.lost |= step.pts.is_none() && (open.after_loss || open.coded.damaged);
        open.coded.restart = step.restart;
        // Packets were lost, and so much time that a picture of its own may have been in them.
        open.coded.gap = open.after_loss && step.ticks.saturating_mul(2) >= self.line.usual().saturating_mul(MISSING);
        (open.coded.pts, open.coded.dts) = (step.pts, step.dts);
        self.ready.push_back(Event::Coded(open.coded));
    }
}

impl<R: Read> Pictures for Demuxer<R> {
    fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.done {
                return Ok(None);
            }
            if !self.step()? {
                self.done = true;
                self.close();
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

/// Takes any bytes apart as a transport stream.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn transport_stream(bytes: &[u8]) {
    let layout = Layout::of(&bytes[..bytes.len().min(HEAD as usize)]).unwrap_or(Layout::USUAL);
    let from = bytes.get(layout.start() as usize..).unwrap_or_default();
    let reads = |payload: bool| Demuxer::new(from, layout, payload);
    hold(bytes, &mut reads(true), &mut reads(false));
    let sparse = times(&mut Demuxer::new(Sparse::new(io::Cursor::new(from), layout.step(), true), layout, false));
    assert!(sparse.is_ok(), "{sparse:?}");
}

/// Takes any bytes apart as a program stream.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn program_stream(bytes: &[u8]) {
    let from = bytes.get(program::start(bytes).unwrap_or_default() as usize..).unwrap_or_default();
    let reads = |payload: bool| Program::new(from, payload);
    hold(bytes, &mut reads(true), &mut reads(false));
}

/// What holds of every stream: nothing comes out of it that was not in it, its times are on the line, and they are the same with and
/// without its pictures.
#[cfg(any(test, feature = "fuzzing"))]
fn hold(bytes: &[u8], pictures: &mut dyn Pictures, alone: &mut dyn Pictures) {
    let (mut codec, mut total) = (None, 0);
    loop {
        let (Ok(event), Ok(time)) = (pictures.next(), alone.next()) else { panic!("bytes in memory can be read") };
        match (event, time) {
            (None, None) => break,
            (Some(Event::Codec(now)), Some(Event::Codec(too))) if now == too => codec = Some(now),
            (Some(Event::Coded(coded)), Some(Event::Coded(time))) => {
                assert!(codec.is_some(), "a picture of no codec");
                total += coded.data.len();
                let times = coded.pts.into_iter().chain(coded.dts);
                assert!(times.into_iter().all(line::is_on), "{:?} {:?}", coded.pts, coded.dts);
                assert_eq!(Coded { data: Vec::new(), ..coded }, time);
            }
            (one, other) => panic!("{one:?} is {other:?} without its pictures"),
        }
    }
    assert!(total <= bytes.len(), "{total} of {} bytes", bytes.len());
    assert!(pictures.left_out().len() <= MOST_NAMED);
}

#[cfg(test)]
mod tests {
    use super::{
        made::{H264, Muxer, PICTURES},
        *,
    };

    const STEP: i64 = 9_000;

    fn events(bytes: &[u8]) -> (Vec<Codec>, Vec<Coded>) {
        transport_stream(bytes);
        let layout = Layout::of(bytes).unwrap();
        let mut demuxer = Demuxer::new(&bytes[layout.start() as usize..], layout, true);
        let (mut codecs, mut all) = (Vec::new(), Vec::new());
        while let Some(event) = demuxer.next().unwrap() {
            match event {
                Event::Codec(codec) => codecs.push(codec),
                Event::Coded(coded) => all.push(coded),
            }
        }
        (codecs, all)
    }

    /// Pictures of three packets each, a tenth of a second apart.
    fn ten(begin: i64) -> Muxer {
        let mut muxer = Muxer::of(&[(PICTURES, H264)]);
        for n in 0..10 {
            muxer.picture(PICTURES, begin + n * STEP, None, &[n as u8; 400]);
        }
        muxer
    }

    fn since_the_first(all: &[Coded]) -> Vec<i64> {
        all.iter().map(|coded| (coded.pts.unwrap() - all[0].pts.unwrap()) / STEP).collect()
    }

    #[test]
    fn every_picture_comes_out_whole_with_its_time_through_the_wrap_of_the_clock() {
        let (codecs, all) = events(&ten((1 << 33) - 4 * STEP).bytes);
        assert_eq!((codecs, since_the_first(&all)), (vec![Codec::H264], (0..10).collect()));
        for (n, coded) in all.iter().enumerate() {
            assert_eq!(coded.data, vec![n as u8; 400]);
            assert!(!coded.damaged && !coded.gap && !coded.restart, "{n}: {coded:?}");
        }
    }

    #[test]
    fn a_packet_that_is_lost_damages_its_picture_and_a_lost_picture_is_missed() {
        let bytes = ten(0).bytes;
        let packets: Vec<&[u8]> = bytes.chunks(188).collect();
        let without = |lost: std::ops::Range<usize>| {
            let kept = packets.iter().enumerate().filter(|(n, _)| !lost.contains(n));
            events(&kept.flat_map(|(_, packet)| *packet).copied().collect::<Vec<u8>>()).1
        };
        let per_picture = (packets.len() - 2) / 10;
        // In the middle of the fifth.
        let at = 2 + 4 * per_picture + 1;
        let middle = without(at..at + 1);
        let damaged: Vec<usize> = (0..10).filter(|n| middle[*n].damaged).collect();
        assert_eq!((middle.len(), damaged, middle.iter().any(|coded| coded.gap)), (10, vec![4], false));
        // All of the fifth.
        let whole = without(at - 1..at - 1 + per_picture);
        let gaps: Vec<i64> = whole.iter().zip(since_the_first(&whole)).filter(|(c, _)| c.gap).map(|(_, at)| at).collect();
        assert_eq!((whole.len(), gaps), (9, vec![5]));
    }

    #[test]
    fn a_loss_before_a_picture_without_a_time_is_told_with_the_next_one_that_has_one() {
        let mut muxer = ten(0);
        let lost = muxer.bytes.len();
        muxer.picture(PICTURES, 10 * STEP, None, &[1; 400]);
        let behind = muxer.bytes.len();
        muxer.picture(PICTURES, 11 * STEP, None, &[2; 400]);
        // Its header says that there is no time in it.
        muxer.bytes[behind + 4 + 7] = 0;
        muxer.picture(PICTURES, 12 * STEP, None, &[3; 400]);
        muxer.bytes.drain(lost..behind);
        let (_, all) = events(&muxer.bytes);
        assert_eq!((all.len(), all[10].pts, all[11].gap), (12, None, true), "{:?}", &all[9..]);
    }

    #[test]
    fn a_clock_that_starts_again_is_told_once() {
        let bytes = [ten(500 * 90_000).bytes, ten(0).bytes].concat();
        let (_, all) = events(&bytes);
        let told: Vec<usize> = (0..20).filter(|n| all[*n].restart).collect();
        assert_eq!((since_the_first(&all), told), ((0..20).collect(), vec![10]));
    }

    #[test]
    fn a_codec_that_changes_is_told_and_streams_beside_are_named() {
        let mut muxer = Muxer::of(&[(PICTURES, H264), (PICTURES + 1, 0x24), (PICTURES + 2, 0x0F), (PICTURES + 3, 0xEA)]);
        muxer.picture(PICTURES, 0, None, &[1; 40]);
        muxer.picture(PICTURES + 1, 0, None, &[9; 40]);
        muxer.tables(&[(PICTURES + 7, 0x24)]);
        muxer.picture(PICTURES + 7, STEP, None, &[2; 40]);
        let (codecs, all) = events(&muxer.bytes);
        assert_eq!((codecs, all.len()), (vec![Codec::H264, Codec::H265], 2));
        let layout = Layout::of(&muxer.bytes).unwrap();
        let survey = times(&mut Demuxer::new(&muxer.bytes[..], layout, false)).unwrap();
        assert_eq!(survey.left_out, ["stream 258 (H.265)", "stream 260 (VC-1)"]);
    }
}
