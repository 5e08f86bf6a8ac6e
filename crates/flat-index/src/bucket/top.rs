//! The best of many, and how they are compared.

use types::SightingId;

use crate::Scored;

/// Keeps the best `limit` of what it is offered, in memory for at most twice as many.
#[derive(Debug)]
pub(crate) struct Best {
    limit: usize,
    kept: Vec<Scored>,
    /// Nothing below it can be among the best.
    floor: f32,
}

impl Best {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), floor: f32::NEG_INFINITY }
    }

    pub(crate) fn offer(&mut self, id: SightingId, score: f32) {
        if score < self.floor {
            return;
        }
        self.kept.push(Scored { id, score });
        if self.kept.len() >= self.limit.saturating_mul(2).max(64) {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.kept.len() > self.limit {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.limit - 1, Scored::better_first);
            self.floor = last.score;
            self.kept.truncate(self.limit);
        }
    }

    /// In any order.
    pub(crate) fn into_kept(mut self) -> Vec<Scored> {
        self.shrink();
        self.kept
    }
}

/// The dot product of two vectors of one length. The order of the additions is fixed, so that the same vectors always score the
/// same; sixteen sums side by side let the compiler use the processor's vector registers.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0] + rest
}
