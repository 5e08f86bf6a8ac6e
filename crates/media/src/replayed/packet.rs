//! When the picture in a packet was taken, by the recorder's own clock: ONVIF's extension of RTP (0xABAC).

/// What a packet says besides its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// By the recorder's clock, in nanoseconds since 1970.
    pub(crate) taken: Option<i64>,
    /// In the ticks of the stream.
    ticks: u32,
    /// The last of its picture.
    pub(crate) marked: bool,
    /// Its footage ends here.
    pub(crate) ends: bool,
    /// Nothing comes after it.
    pub(crate) last: bool,
}

const EXTENSION: u16 = 0xABAC;
/// 1970 in seconds since 1900.
const UNIX: i64 = 2_208_988_800;
/// Where the count of seconds since 1900 begins anew, in 2036.
const ERA: i64 = 1 << 32;
const SECOND: i64 = 1_000_000_000;

impl Packet {
    /// `None` for what is no RTP.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let ticks = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
        let mut packet = Self { taken: None, ticks, marked: second & 0x80 != 0, ends: false, last: false };
        let at = 12 + 4 * usize::from(first & 0x0f);
        if first & 0x10 == 0 || at > bytes.len() {
            return Some(packet);
        }
        let head = bytes.get(at..at + 4)?;
        let (kind, words) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        // That of JPEG is longer, and begins with the same.
        if kind == EXTENSION && words >= 3 {
            let told = bytes.get(at + 4..at + 16)?;
            packet.taken = Some(since_1970(u64::from_be_bytes(told[..8].try_into().ok()?)));
            packet.ends = told[8] & 0x40 != 0;
            packet.last = told[8] & 0x10 != 0;
        }
        Some(packet)
    }
}

fn since_1970(ntp: u64) -> i64 {
    let (seconds, fraction) = ((ntp >> 32).cast_signed(), ntp & 0xffff_ffff);
    // The first second of this count that is not long ago lies in 1968.
    let seconds = if seconds < ERA / 2 { seconds + ERA } else { seconds };
    (seconds - UNIX) * SECOND + ((fraction * SECOND.unsigned_abs()) >> 32).cast_signed()
}

/// The time of each packet: that of its picture, which the first packet of a picture has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    rate: u32,
    known: Option<(u32, i64)>,
}

impl Clock {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: rate.max(1), known: None }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// In nanoseconds since 1970. Some recorders say it of each second picture alone: then by the ticks since.
    pub(crate) fn time(&mut self, packet: &Packet) -> Option<i64> {
        if let Some(taken) = packet.taken {
            self.known = Some((packet.ticks, taken));
            return Some(taken);
        }
        let (ticks, taken) = self.known?;
        let since = i64::from(packet.ticks.wrapping_sub(ticks).cast_signed());
        taken.checked_add(since * SECOND / i64::from(self.rate.max(1)))
    }
}

/// Whether one of RTCP says that nothing more comes.
pub(crate) fn is_goodbye(mut bytes: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = *bytes {
        if first >> 6 != 2 {
            return false;
        }
        if kind == 203 {
            return true;
        }
        let length = 4 * (1 + usize::from(u16::from_be_bytes([high, low])));
        let Some(rest) = bytes.get(length..) else { return false };
        bytes = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(ticks: u32, told: Option<(u32, u32, u8)>) -> Vec<u8> {
        let mut bytes = vec![if told.is_some() { 0x90 } else { 0x80 }, 96, 0, 1];
        bytes.extend(ticks.to_be_bytes());
        bytes.extend([0; 4]);
        if let Some((seconds, fraction, flags)) = told {
            bytes.extend([0xAB, 0xAC, 0, 3]);
            bytes.extend(seconds.to_be_bytes());
            bytes.extend(fraction.to_be_bytes());
            bytes.extend([flags, 0, 0, 0]);
        }
        bytes.extend([0x65; 20]);
        bytes
    }

    #[test]
    fn a_packets_time_is_that_of_its_picture_by_the_recorders_clock() {
        let mut clock = Clock::new(90_000);
        let mut time = |bytes: &[u8]| clock.time(&Packet::read(bytes).unwrap());
        assert_eq!(time(&packet(0, None)), None);
        // 2026-03-01T08:00:00.5Z.
        let at = 1_772_352_000 * SECOND + SECOND / 2;
        let seconds = u32::try_from(1_772_352_000 + UNIX).unwrap();
        assert_eq!(time(&packet(u32::MAX - 8_999, Some((seconds, 1 << 31, 0x80)))), Some(at));
        assert_eq!(time(&packet(u32::MAX - 8_999, None)), Some(at));
        // The ticks begin anew.
        assert_eq!(time(&packet(0, None)), Some(at + SECOND / 10));
        // After 2036 the seconds do.
        assert_eq!(time(&packet(0, Some((4, 0, 0)))), Some((ERA + 4 - UNIX) * SECOND));
    }

    #[test]
    fn what_ends_is_told_by_its_bits_and_by_rtcp() {
        let of = |flags| Packet::read(&packet(0, Some((1 << 31, 0, flags)))).map(|p| (p.ends, p.last)).unwrap();
        assert_eq!([of(0x80), of(0xC0), of(0x10)], [(false, false), (true, false), (false, true)]);
        let report = [0x80, 200, 0, 1, 0, 0, 0, 0];
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 0];
        assert!(is_goodbye(&[report, bye].concat()) && !is_goodbye(&report) && !is_goodbye(&[]));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), first in 0u8..=255) {
            let mut bytes = bytes;
            if let Some(b) = bytes.first_mut() { *b = first; }
            if let Some(packet) = Packet::read(&bytes) {
                let _ = Clock::new(0).time(&packet);
            }
            let _ = is_goodbye(&bytes);
        }
    }
}
