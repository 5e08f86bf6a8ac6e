use types::{CaptureTime, SightingId};

/// Where a page of hits ended: the next one has those that are ranked after it. What comes or goes meanwhile moves nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageEnd {
    /// Of the page's last hit,
    pub score: f32,
    /// when its track began,
    pub first: CaptureTime,
    /// and which it is.
    pub id: SightingId,
    /// Hits up to there, of all pages.
    pub rank: u32,
}
