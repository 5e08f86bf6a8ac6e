//! When to stop looking deeper: the threshold algorithm of Fagin, Lotem and Naor (2001).
//!
//! Each space hands out its best first. Whatever none of them has handed out yet scores, in every space, at most what was
//! handed out last there; so fused it scores at most the fusion of those. Once enough hits score that much, nothing better
//! is left. A space that has handed out everything has handed out every candidate, for all spaces share one filter.

use std::cmp::Ordering;

use index::Scored;
use types::{CaptureTime, SightingId};

use crate::{Hit, PageEnd};

impl PageEnd {
    /// Right after this hit, which is so many'th.
    pub fn after(hit: &Hit, rank: u32) -> Self {
        Self { score: hit.score, first: hit.sighting.first.time, id: hit.sighting.id, rank }
    }

    fn is_before(&self, hit: &Hit) -> bool {
        ranked((self.score, self.first, self.id), order(hit)) == Ordering::Less
    }
}

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

/// Sorts the hits, keeps the best of those after a page's end, and says whether nothing unseen can be among them. `unseen` is the most
/// that anything not handed out yet can score; `None` if there is nothing.
pub(crate) fn settle(hits: &mut Vec<Hit>, after: Option<&PageEnd>, limit: usize, unseen: Option<f32>) -> bool {
    hits.retain(|hit| after.is_none_or(|after| after.is_before(hit)));
    hits.sort_unstable_by(|a, b| ranked(order(a), order(b)));
    hits.truncate(limit);
    // On a tie an unseen one may be newer: only a score above settles it.
    unseen.is_none_or(|unseen| hits.len() == limit && hits.last().is_some_and(|worst| worst.score > unseen))
}

/// How many of these are ranked after a page's end.
pub(crate) fn count_after<'a>(hits: impl Iterator<Item = &'a Hit>, after: Option<&PageEnd>) -> usize {
    hits.filter(|hit| after.is_none_or(|after| after.is_before(hit))).count()
}

type Order = (f32, CaptureTime, SightingId);

fn order(hit: &Hit) -> Order {
    (hit.score, hit.sighting.first.time, hit.sighting.id)
}

/// The better first; of equal scores the newest, then by id.
fn ranked(a: Order, b: Order) -> Ordering {
    b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(a.2.cmp(&b.2))
}
