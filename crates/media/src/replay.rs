//! Footage that lies on a recorder, and how it comes to a decoder.

use std::{
    fmt,
    io::{self, Read},
    time::Duration,
};

use types::{CaptureTime, TimeStamp};

use crate::RtspSource;

/// A recording on a recorder, from a moment on. Media time is the recorder's own time since then: where it has nothing, time
/// passes all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Where the recording is played.
    pub recorder: RtspSource,
    /// Media time zero.
    pub start: TimeStamp,
    /// Nothing after this is looked at.
    pub length: Duration,
    /// How much may be asked of the recorder; `None`: as much as comes.
    pub bits_per_second: Option<u64>,
}

/// What is asked of a recorder in one go.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) recorder: RtspSource,
    pub(crate) start: CaptureTime,
    /// By media time.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) keyframes_only: bool,
    pub(crate) bits_per_second: Option<u64>,
    /// The last picture that came before it stopped, on a decoder's timeline. Where it stops there again there is no more.
    pub(crate) stopped: Option<i64>,
}

/// Where media time zero lies for a decoder: a recorder begins with the picture before the one that was asked for that needs no
/// other, which may have been taken before.
pub(crate) const LEAD: Duration = Duration::from_secs(3600);

impl Replay {
    pub(crate) fn asked(&self, from: Duration, until: Duration, keyframes_only: bool) -> Asked {
        Asked {
            recorder: self.recorder.clone(),
            start: self.start.time,
            from,
            until: until.min(self.length),
            keyframes_only,
            bits_per_second: self.bits_per_second,
            stopped: None,
        }
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By host and port, as cameras are told: the path may hold a token.
        write!(f, "{}", self.recorder.to_string().replacen("camera", "recorder", 1))
    }
}

impl Asked {
    fn clock(&self, at: Duration) -> String {
        let at = self.start.plus_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX));
        // As RFC 2326 writes it.
        at.to_string().replace(['-', ':'], "")
    }

    /// The value of the header `Range`.
    pub(crate) fn range(&self) -> String {
        format!("clock={}-{}", self.clock(self.from), self.clock(self.until))
    }

    /// Of nanoseconds since 1970, those on a decoder's timeline. `None` for what lies so far before that it can't be meant.
    pub(crate) fn on_timeline(&self, since_1970: i64) -> Option<i64> {
        let zero = self.start.as_micros().checked_mul(1000)?.checked_sub(nanos(LEAD))?;
        since_1970.checked_sub(zero).filter(|at| *at >= 0)
    }

    /// On a decoder's timeline.
    pub(crate) fn end(&self) -> i64 {
        nanos(LEAD).saturating_add(nanos(self.until))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What a decoder of a replay is given, one after the other.
#[derive(Debug)]
pub(crate) enum Feed<'a> {
    /// What the packets hold, as GStreamer writes it. Once, before all others.
    Caps(&'a str),
    /// Its time on the decoder's timeline in nanoseconds, and a packet of RTP.
    Packet(u64, &'a [u8]),
    /// There is no more.
    End,
}

/// Longer than any packet of RTP or any caps.
const LONGEST: usize = 128 << 10;

impl Feed<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (kind, at, bytes) = match *self {
            Self::Caps(caps) => (b'C', 0, caps.as_bytes()),
            Self::Packet(at, bytes) => (b'P', at, bytes),
            Self::End => (b'E', 0, &[][..]),
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        out.push(kind);
        out.extend(at.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(bytes);
    }
}

/// As a decoder reads it.
#[derive(Debug)]
pub(crate) enum Fed {
    Caps(String),
    Packet(u64, Vec<u8>),
    End,
}

impl Fed {
    /// Blocks until there is one.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 13];
        from.read_exact(&mut head)?;
        let [kind, rest @ ..] = head;
        let at = u64::from_be_bytes(rest[..8].try_into().unwrap_or_default());
        let length = u32::from_be_bytes(rest[8..].try_into().unwrap_or_default()) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        match kind {
            b'C' => Ok(Self::Caps(String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?)),
            b'P' => Ok(Self::Packet(at, bytes)),
            b'E' => Ok(Self::End),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{ClockUncertainty, TimeSource};

    use super::*;

    fn replay() -> Replay {
        Replay {
            recorder: RtspSource::new("rtsp://u:p@nvr.example/replay?token=secret").unwrap(),
            start: TimeStamp {
                time: "2026-03-01T08:00:00.04Z".parse().unwrap(),
                uncertainty: ClockUncertainty(Duration::from_secs(1)),
                source: TimeSource::Given,
            },
            length: Duration::from_secs(600),
            bits_per_second: None,
        }
    }

    #[test]
    fn a_range_is_written_by_the_recorders_clock_and_never_longer_than_the_job() {
        let asked = replay().asked(Duration::from_secs(290), Duration::from_secs(9999), false);
        assert_eq!(asked.range(), "clock=20260301T080450.040000Z-20260301T081000.040000Z");
        let start = 1_772_352_000_040_000_000;
        assert_eq!(asked.on_timeline(start), Some(nanos(LEAD)));
        assert_eq!(asked.on_timeline(start - nanos(LEAD) - 1), None);
        assert_eq!(asked.end(), nanos(LEAD) + 600_000_000_000);
        assert!(!format!("{:?} {}", replay(), replay()).contains("secret"));
        assert_eq!(replay().to_string(), "recorder at nvr.example");
    }

    #[test]
    fn what_is_fed_is_read_as_it_was_written_and_nothing_else_is() {
        let mut bytes = Vec::new();
        for fed in [Feed::Caps("application/x-rtp"), Feed::Packet(7, b"packet"), Feed::End] {
            fed.write(&mut bytes);
        }
        let mut from = bytes.as_slice();
        assert!(matches!(Fed::read(&mut from), Ok(Fed::Caps(caps)) if caps == "application/x-rtp"));
        assert!(matches!(Fed::read(&mut from), Ok(Fed::Packet(7, packet)) if packet == b"packet"));
        assert!(matches!(Fed::read(&mut from), Ok(Fed::End)));
        assert!(Fed::read(&mut from).is_err());
        assert!(Fed::read(&mut &[b'P', 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255][..]).is_err());
        assert!(Fed::read(&mut &[b'X'; 64][..]).is_err());
    }
}
