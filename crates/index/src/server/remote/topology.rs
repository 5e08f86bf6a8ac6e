//! What is on the server, as far as it is known.

use std::collections::{BTreeMap, BTreeSet};

use types::Day;

use super::super::names::ShardName;

#[derive(Debug, Clone)]
pub(super) struct Topology {
    pub(super) collection: String,
    pub(super) days: BTreeMap<Day, Shards>,
}

/// Of a day. Cut off while it was written anew it has two; the older one is whole and counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Shards {
    pub(super) made: BTreeSet<u32>,
    /// Known to take changes.
    pub(super) ready: bool,
}

impl Topology {
    pub(super) fn shard(&self, day: Day) -> Option<ShardName> {
        let made = *self.days.get(&day)?.made.first()?;
        Some(ShardName { day, made })
    }

    pub(super) fn shards(&self, days: impl std::ops::RangeBounds<Day>) -> Vec<ShardName> {
        self.days.range(days).filter_map(|(day, _)| self.shard(*day)).collect()
    }
}
