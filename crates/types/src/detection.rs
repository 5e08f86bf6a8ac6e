use crate::{Class, MediaTime, Rect};

/// One object in one frame, as the detector saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// What the detector takes it for.
    pub class: Class,
    /// 0..1.
    pub score: f32,
    /// In pixels of the frame it was found in, clipped to it.
    pub bbox: Rect,
}

/// Number of a track within one tracker, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// Where a track was in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackPoint {
    /// Since the first frame of the file or stream session.
    pub at: MediaTime,
    /// What the detector saw there.
    pub detection: Detection,
}
