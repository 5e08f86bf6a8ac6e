//! When to stop looking deeper: the threshold algorithm of Fagin, Lotem and Naor (2001).
//!
//! Each space hands out its best first. Whatever none of them has handed out yet scores, in every space, at most what was
//! handed out last there; so fused it scores at most the fusion of those. Once enough hits score that much, nothing better
//! is left. A space that has handed out everything has handed out every candidate, for all spaces share one filter.

use std::cmp::Ordering;

use index::Scored;

use crate::Hit;

/// How far one space was read.
#[derive(Debug, Clone)]
pub(crate) struct Depth {
    /// The last score handed out; `None` if there was none.
    pub(crate) last: Option<f32>,
    /// Whether there is nothing left in it.
    pub(crate) exhausted: bool,
}

impl Depth {
    pub(crate) fn of(list: &[Scored], asked: usize) -> Self {
        Self { last: list.last().map(|s| s.score), exhausted: list.len() < asked }
    }
}

/// Sorts the hits, keeps the best, and says whether nothing unseen can be among them. `unseen` is the most that anything
/// not handed out yet can score; `None` if there is nothing.
pub(crate) fn settle(hits: &mut Vec<Hit>, limit: usize, unseen: Option<f32>) -> bool {
    hits.sort_unstable_by(better);
    hits.truncate(limit);
    // On a tie an unseen one may be newer: only a score above settles it.
    unseen.is_none_or(|unseen| hits.len() == limit && hits.last().is_some_and(|worst| worst.score > unseen))
}

fn better(a: &Hit, b: &Hit) -> Ordering {
    let newest = b.sighting.first.time.cmp(&a.sighting.first.time);
    b.score.total_cmp(&a.score).then(newest).then(a.sighting.id.cmp(&b.sighting.id))
}
