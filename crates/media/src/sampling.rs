//! Which decoded frames go on.
//!
//! Not `videorate`: it can't negotiate a rate above the one a stream declares (cameras declare nonsense), nor a rate
//! below one frame a second without caps gymnastics. The law is the same as its `drop-only` mode: the first frame of each
//! interval goes on, untouched, and the others are dropped where they leave the decoder.

use std::time::Duration;

/// What a reader asks of its footage.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Frames a second that go on, at most; what the source has if it has fewer. Above 0.
    pub fps: f64,
    /// Decode only pictures that need no other: about 17 times cheaper in H.264, one picture every second or two.
    pub keyframes_only: bool,
    /// Higher pictures are scaled down to this height (after rotation), keeping their shape.
    pub max_height: Option<u32>,
    /// Decoder threads. 1 unless told, so that many readers share a machine fairly.
    pub decoder_threads: u32,
    /// Pictures a second of footage that has no clock: a bare video stream. What has one goes by its own.
    pub stated_fps: Option<f64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { fps: 5.0, keyframes_only: false, max_height: None, decoder_threads: 1, stated_fps: None }
    }
}

impl Sampling {
    /// Every frame.
    pub fn all() -> Self {
        Self { fps: f64::INFINITY, ..Self::default() }
    }
}

/// Decides frame by frame. Times are since the first frame.
#[derive(Debug)]
pub(crate) struct Sampler {
    fps: f64,
    last: Option<(Duration, i64)>,
}

impl Sampler {
    /// Timestamps jitter and are rounded: a frame so many seconds, at most a tenth of an interval, early still counts as
    /// being in it.
    const EARLY: f64 = 0.02;

    pub(crate) fn new(fps: f64) -> Self {
        Self { fps: if fps > 0.0 { fps } else { 1e-9 }, last: None }
    }

    pub(crate) fn wants(&mut self, at: Duration) -> bool {
        let slot = (at.as_secs_f64() * self.fps + (Self::EARLY * self.fps).min(0.1)).floor() as i64;
        let wanted = match self.last {
            None => true,
            Some((last, _)) if self.fps.is_infinite() => at > last,
            Some((last, last_slot)) => at > last && slot > last_slot,
        };
        if wanted {
            self.last = Some((at, slot));
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(fps: f64, source_fps: f64, frames: u64, jitter: &[f64]) -> Vec<f64> {
        let mut sampler = Sampler::new(fps);
        let time = |i: u64| (i as f64 + jitter.get(i as usize).copied().unwrap_or(0.0)) / source_fps;
        (0..frames).map(time).filter(|t| sampler.wants(Duration::from_secs_f64(*t))).collect()
    }

    #[test]
    fn a_rate_above_the_sources_keeps_every_frame() {
        assert_eq!(kept(5.0, 3.0, 30, &[]).len(), 30);
        assert_eq!(kept(f64::INFINITY, 60.0, 100, &[]).len(), 100);
    }

    #[test]
    fn five_of_twelve_and_a_half_keep_five_a_second() {
        assert_eq!(kept(5.0, 12.5, 125, &[]).len(), 50);
        assert_eq!(kept(0.5, 25.0, 250, &[]).len(), 5);
    }

    proptest! {
        #[test]
        fn the_kept_rate_is_the_wanted_rate_or_the_sources(
            fps in 0.2f64..30.0, source in 1.0f64..60.0, jitter in prop::collection::vec(0.0f64..0.4, 600),
        ) {
            let kept = kept(fps, source, 600, &jitter);
            let seconds = 600.0 / source;
            let want = seconds * fps.min(source);
            prop_assert!(kept.len() as f64 <= seconds * fps + 2.0, "{} of {want}", kept.len());
            // Slots narrower than the source's jitter may stay empty; slots twice as wide never do.
            if fps * 2.0 <= source {
                prop_assert!(kept.len() as f64 >= want - 2.0, "{} of {want}", kept.len());
            }
            prop_assert!(kept.windows(2).all(|w| w[0] < w[1]));
        }
    }
}
