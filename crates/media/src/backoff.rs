//! How long to wait before trying a camera again.

use std::time::Duration;

/// Exponential with full jitter in the upper half: a thousand cameras behind one switch do not come back as one wave.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempt: u32,
}

impl Default for Backoff {
    /// From 1 s to 60 s.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl Backoff {
    /// Waits of about `first` that double up to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max: max.max(first), attempt: 0 }
    }

    /// The next wait: between half of and the whole of `first * 2^attempt`, at most `max`.
    pub fn wait(&mut self) -> Duration {
        self.wait_with(rand::random::<f64>())
    }

    /// As [`Self::wait`] with the jitter given, 0 to 1.
    pub fn wait_with(&mut self, jitter: f64) -> Duration {
        let whole = self.first.saturating_mul(1u32.checked_shl(self.attempt.min(31)).unwrap_or(u32::MAX)).min(self.max);
        self.attempt = self.attempt.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    /// The camera has been live long enough to be trusted again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Waits since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_and_stop_growing_at_the_bound() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        let waits: Vec<_> = (0..6).map(|_| backoff.wait_with(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        backoff.reset();
        assert_eq!(backoff.wait_with(0.0), Duration::from_millis(500));
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_half_the_first_or_longer_than_the_bound(
            first in 1u64..5_000, max in 1u64..600_000, jitter in prop::collection::vec(-1.0f64..2.0, 1..80),
        ) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let mut backoff = Backoff::new(first, max);
            for jitter in jitter {
                let wait = backoff.wait_with(jitter);
                prop_assert!(wait >= first / 2 && wait <= max.max(first), "{wait:?}");
            }
        }
    }
}
