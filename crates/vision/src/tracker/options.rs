use std::time::Duration;

/// How tracks start, go on and end.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerOptions {
    /// Detections from here on are matched first.
    pub strong: f32,
    /// Only detections from here on start a track.
    pub start: f32,
    /// Detections below are not used at all.
    pub weak: f32,
    /// A track is confirmed by so many detections.
    pub confirm: u32,
    /// How long a track lives on without a detection.
    pub lost: Duration,
    /// How long an unconfirmed one does.
    pub tentative: Duration,
    /// A track whose detections score less on average is no figure but a post or a shadow: it is not confirmed, and
    /// dismissed if its average falls below later.
    pub credible: f32,
    /// The same for one that has moved by half its height; what walks is hardly a post.
    pub credible_moved: f32,
    /// Four detections in a row that score this on average are enough, whatever the others do.
    pub credible_once: f32,
    /// A track that rests this long with detections below `credible` ends.
    pub ghost: Duration,
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self {
            strong: 0.4,
            start: 0.45,
            weak: 0.2,
            confirm: 3,
            lost: Duration::from_millis(2000),
            tentative: Duration::from_millis(450),
            credible: 0.48,
            credible_moved: 0.38,
            credible_once: 0.58,
            ghost: Duration::from_secs(3),
        }
    }
}
