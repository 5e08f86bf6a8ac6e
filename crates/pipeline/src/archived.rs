//! What was recorded: a file, or a recording that lies on a recorder.

use std::time::Duration;

use media::{Footage, FootageInfo, FrameReader, MediaError, Replay, Sampling};
use types::{MediaTime, Size, TimeStamp};

use crate::segment::Segment;

/// What is looked at.
#[derive(Debug, Clone)]
pub enum Archived {
    /// Opened once: what was hashed is what is decoded.
    File(Footage),
    /// Pulled as it is looked at, and kept nowhere.
    Replay(Box<Replay>),
}

impl From<Footage> for Archived {
    fn from(footage: Footage) -> Self {
        Self::File(footage)
    }
}

impl From<Replay> for Archived {
    fn from(replay: Replay) -> Self {
        Self::Replay(Box::new(replay))
    }
}

impl Archived {
    /// What can be known of it before it is looked at. A recorder is not asked.
    pub fn info(&self) -> Result<FootageInfo, MediaError> {
        match self {
            Self::File(footage) => media::probe_footage(footage),
            Self::Replay(replay) => Ok(FootageInfo {
                duration: Some(replay.length),
                size: Size { width: 0, height: 0 },
                frame_rate: None,
                codec: String::new(),
                container: "recorder".to_owned(),
                seekable: true,
            }),
        }
    }

    /// From where the part has to be read.
    pub(crate) fn open(&self, sampling: &Sampling, start: TimeStamp, part: &Segment) -> Result<FrameReader, MediaError> {
        let (sampling, from) = (sampling.clone(), part.read_from());
        match self {
            Self::File(footage) if from.is_zero() => FrameReader::open_footage(footage, sampling, start),
            Self::File(footage) => FrameReader::open_footage_from(footage, sampling, start, from),
            Self::Replay(replay) => FrameReader::open_replay(replay, sampling, from, part.read_until().unwrap_or(replay.length)),
        }
    }
}

/// Stretches of a part in which a recorder has nothing.
#[derive(Debug)]
pub(crate) struct Gaps {
    from: Duration,
    /// `None`: not a recorder's.
    to: Option<Duration>,
    /// Longer than what lies between two pictures that are looked at.
    least: Duration,
    /// The latest picture, or where reading began.
    last: Duration,
    found: Vec<(Duration, Duration)>,
}

/// Shorter ones are how cameras are.
const LEAST: Duration = Duration::from_secs(2);
/// Where key pictures alone are looked at: cameras have them up to 10 s apart.
const LEAST_OF_KEYS: Duration = Duration::from_secs(15);

impl Gaps {
    pub(crate) fn of(archived: &Archived, sampling: &Sampling, part: &Segment) -> Self {
        let to = match archived {
            Archived::File(_) => None,
            Archived::Replay(replay) => Some(part.to.unwrap_or(replay.length)),
        };
        let least = if sampling.keyframes_only { LEAST_OF_KEYS } else { LEAST };
        let least = least.max(Duration::from_secs_f64((2.0 / sampling.fps).clamp(0.0, 60.0)));
        Self { from: part.from, to, least, last: part.read_from(), found: Vec::new() }
    }

    pub(crate) fn saw(&mut self, at: MediaTime) {
        self.reach(at.as_duration());
    }

    fn reach(&mut self, at: Duration) {
        let Some(to) = self.to else { return };
        let (begin, end) = (self.last.clamp(self.from, to), at.clamp(self.from, to));
        if at.saturating_sub(self.last) > self.least && begin < end {
            self.found.push((begin, end));
        }
        self.last = self.last.max(at);
    }

    /// Once nothing more is read.
    pub(crate) fn found(mut self) -> Vec<(Duration, Duration)> {
        self.reach(self.to.unwrap_or_default());
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(part: &Segment, to: u64, seen: &[f64]) -> Vec<(f64, f64)> {
        let to = Some(part.to.unwrap_or(Duration::from_secs(to)));
        let mut gaps = Gaps { from: part.from, to, least: LEAST, last: part.read_from(), found: Vec::new() };
        seen.iter().for_each(|at| gaps.saw(MediaTime::from_duration(Duration::from_secs_f64(*at))));
        gaps.found().into_iter().map(|(a, b)| (a.as_secs_f64(), b.as_secs_f64())).collect()
    }

    #[test]
    fn a_gap_is_where_no_picture_is_for_longer_than_pictures_are_apart_and_belongs_to_the_part_it_lies_in() {
        let part = |from, to| Segment { number: 1, from: Duration::from_secs(from), to: Some(Duration::from_secs(to)) };
        assert_eq!(gaps(&Segment::WHOLE, 10, &[0.0, 1.0, 2.0, 6.0, 7.5, 9.0]), [(2.0, 6.0)]);
        assert_eq!(gaps(&Segment::WHOLE, 10, &[]), [(0.0, 10.0)]);
        assert_eq!(gaps(&Segment::WHOLE, 10, &[3.0, 4.0]), [(0.0, 3.0), (4.0, 10.0)]);
        // Across both borders of a part, and beside it.
        assert_eq!(
            gaps(&part(20, 40), 0, &[15.0, 25.0, 27.0, 29.0, 31.0, 33.0, 35.0, 37.0, 39.0, 50.0]),
            [(20.0, 25.0), (39.0, 40.0)]
        );
        assert_eq!(gaps(&part(20, 40), 0, &[10.0, 60.0]), [(20.0, 40.0)]);
    }
}
