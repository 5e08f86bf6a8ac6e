//! One line of time from clocks that wrap, start again or jump.

/// A second.
const SECOND: i64 = 90_000;
const WRAP: i64 = 1 << 33;
/// A step back that is larger is no picture out of order.
const BACK: i64 = SECOND;
/// A clock that begins again so soon after it ran full has wrapped; otherwise somebody set it back.
const WRAPPED: i64 = 3600 * SECOND;
/// A break that the stream announces is a new clock if it is larger than any pause of an encoder.
const JUMP: i64 = 10 * SECOND;
/// Where the line begins: what is shown before the first picture has a time too.
const LEAD: i64 = 100 * SECOND;
/// No picture is shown longer after it is decoded.
const DELAY: i64 = 20 * SECOND;
/// The line ends after ten years: what a file of nonsense adds up to is no time.
const END: i64 = 10 * 366 * 86_400 * SECOND;
/// 240 pictures a second.
const SHORTEST: i64 = SECOND / 240;

/// The times in the header of a PES packet: 33 bits at 90 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
}

impl Stamp {
    /// With the length of the header; `None` as long as it is not all there.
    pub(super) fn read(head: &[u8]) -> Option<(Self, usize)> {
        let [a, b, c, _, _, _, mark, flags, length, rest @ ..] = head else { return None };
        if [*a, *b, *c] != [0, 0, 1] || mark >> 6 != 2 {
            return Some((Self::default(), 0));
        }
        let length = usize::from(*length);
        let fields = rest.get(..length)?;
        let pts = if flags & 0x80 != 0 { time(fields, 0) } else { None };
        let dts = if flags & 0xC0 == 0xC0 { time(fields, 5) } else { None };
        Some((Self { pts, dts }, 9 + length))
    }

    /// As MPEG-1 wrote it.
    pub(super) fn read_old(packet: &[u8]) -> (Self, usize) {
        let mut at = 6;
        while packet.get(at) == Some(&0xFF) {
            at += 1;
        }
        // The size of a buffer.
        if packet.get(at).is_some_and(|byte| byte >> 6 == 1) {
            at += 2;
        }
        match packet.get(at).map(|byte| byte >> 4) {
            Some(2) => (Self { pts: time(packet, at), dts: None }, at + 5),
            Some(3) => (Self { pts: time(packet, at), dts: time(packet, at + 5) }, at + 10),
            _ => (Self::default(), at + 1),
        }
    }
}

fn time(bytes: &[u8], at: usize) -> Option<i64> {
    let field = bytes.get(at..at + 5)?;
    let b = |n: usize| i64::from(field[n]);
    let marked = field[0] & field[2] & field[4] & 1 == 1;
    marked.then(|| (b(0) >> 1 & 7) << 30 | b(1) << 22 | b(2) >> 1 << 15 | b(3) << 7 | b(4) >> 1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Step {
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    /// Since the packet before.
    pub(super) ticks: i64,
    pub(super) restart: bool,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    /// What the clock said last, and where on the line that was.
    last: Option<(i64, i64)>,
    usual: Option<i64>,
    /// The latest time of presentation.
    shown: i64,
}

impl Line {
    /// The shortest step so far.
    pub(super) fn usual(&self) -> i64 {
        self.usual.unwrap_or(SECOND / 25)
    }

    /// `announced`: the stream said that its clock breaks here.
    pub(super) fn place(&mut self, stamp: Stamp, announced: bool) -> Step {
        let Some(raw) = stamp.dts.or(stamp.pts) else { return Step::default() };
        // What is shown of it, since it is decoded.
        let delay = stamp.pts.map(|pts| signed(pts - raw)).filter(|delay| (-DELAY..=DELAY).contains(delay));
        let Some((last, at)) = self.last else {
            self.last = Some((raw, LEAD));
            self.shown = LEAD + delay.unwrap_or_default();
            return Step { pts: Some(self.shown), dts: Some(LEAD), ticks: 0, restart: false };
        };
        let ahead = (raw - last).rem_euclid(WRAP);
        let (ticks, restart) = match raw - last {
            step if step >= 0 => (step, announced && step > JUMP),
            step if step >= -BACK => (step, false),
            _ if ahead < WRAPPED => (ahead, false),
            // One picture after the last that is shown.
            _ => (self.shown - at + self.usual() - delay.unwrap_or_default(), true),
        };
        if !restart && ticks >= SHORTEST {
            self.usual = Some(self.usual.map_or(ticks, |usual| usual.min(ticks)));
        }
        let at = (at + ticks).clamp(0, END);
        self.last = Some((raw, at));
        let pts = (at + delay.unwrap_or_default()).max(0);
        self.shown = self.shown.max(pts);
        Step { pts: Some(pts), dts: Some(at), ticks, restart }
    }
}

/// Whether a time can come of this.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn is_on(time: i64) -> bool {
    (0..=END + DELAY).contains(&time)
}

/// The nearest of all that look like it.
fn signed(difference: i64) -> i64 {
    (difference + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(raw: &[i64]) -> Vec<(i64, bool)> {
        let mut line = Line::default();
        let mut place = |raw: i64| {
            let step = line.place(Stamp { pts: Some(raw.rem_euclid(WRAP)), dts: None }, false);
            (step.pts.unwrap() - LEAD, step.restart)
        };
        raw.iter().map(|raw| place(*raw)).collect()
    }

    #[test]
    fn a_clock_that_starts_again_goes_on_one_picture_later_and_says_so() {
        let got = line(&[500 * SECOND, 501 * SECOND, 502 * SECOND, SECOND, 2 * SECOND]);
        let at: Vec<i64> = got.iter().map(|(at, _)| at / SECOND).collect();
        assert_eq!((at, got[3].1, got[4].1), (vec![0, 1, 2, 3, 4], true, false));
    }

    #[test]
    fn a_clock_that_is_set_back_in_its_second_half_has_not_wrapped() {
        let got = line(&[80_000 * SECOND, 80_001 * SECOND, 0, SECOND]);
        assert_eq!((got[2], got[3]), ((2 * SECOND, true), (3 * SECOND, false)));
    }

    #[test]
    fn what_is_shown_later_than_it_is_decoded_follows_what_was_shown_last() {
        let mut line = Line::default();
        let mut place = |pts: i64, dts: i64| {
            let step = line.place(Stamp { pts: Some(pts * SECOND), dts: Some(dts * SECOND) }, false);
            ((step.pts.unwrap() - LEAD) / SECOND, step.restart)
        };
        assert_eq!([place(10, 10), place(11, 11), place(2, 0)], [(0, false), (1, false), (2, true)]);
        assert_eq!(place(3, 1), (3, false));
    }

    #[test]
    fn the_header_of_a_packet_is_read_once_it_is_whole() {
        let time = |tag: u8, t: i64| {
            let byte = |shift: i64| (t >> shift & 0xFF) as u8;
            [tag << 4 | byte(30) << 1 & 0xE | 1, byte(22), byte(14) | 1, byte(7), byte(0) << 1 | 1]
        };
        let (pts, dts) = (WRAP - 5, WRAP - 3_005);
        let head = [&[0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 12][..], &time(3, pts), &time(1, dts), &[0xFF; 2], &[0, 0, 1]].concat();
        assert_eq!(Stamp::read(&head[..20]), None);
        assert_eq!(Stamp::read(&head), Some((Stamp { pts: Some(pts), dts: Some(dts) }, 21)));
    }

    #[test]
    fn a_clock_that_makes_no_sense_neither_leaves_the_line_nor_breaks_anything() {
        let mut line = Line::default();
        for n in 0..200_000 {
            // Almost all of the clock forward each time, or a second back.
            let raw = if n < 100_000 { [0, WRAP - 1][n % 2] } else { (200_000 - n as i64) * BACK };
            let step = line.place(Stamp { pts: Some(raw.rem_euclid(WRAP)), dts: None }, false);
            assert!(is_on(step.pts.unwrap()), "{n}: {step:?}");
        }
    }

    proptest! {
        /// From wherever the clock began: through its wrap, and through gaps of up to twelve hours.
        #[test]
        fn times_are_as_far_apart_as_the_clock_says(
            begin in 0..WRAP, steps in prop::collection::vec(prop_oneof![9 => 300i64..20_000, 1 => 1..3_599 * SECOND], 1..300),
        ) {
            let mut now = begin;
            let raw: Vec<i64> = std::iter::once(begin).chain(steps.iter().map(|step| { now += step; now })).collect();
            for (got, want) in line(&raw).into_iter().zip(&raw) {
                prop_assert_eq!(got, (want - begin, false));
            }
        }
    }
}
