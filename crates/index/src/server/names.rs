//! What is called how on a server that other deployments may share.

use types::{Day, ModelDigest};

/// Points at the collection of a model that is used.
pub(super) fn alias(deployment: &str, model: ModelDigest) -> String {
    format!("{deployment}-{}", model.short())
}

pub(super) fn collection(deployment: &str, model: ModelDigest, made: u64) -> String {
    format!("{deployment}-{}-{made}", model.short())
}

/// The model, shortened, and the number of a collection of this deployment.
pub(super) fn parse<'a>(deployment: &str, collection: &'a str) -> Option<(&'a str, u64)> {
    let (rest, made) = collection.rsplit_once('-')?;
    let (of, model) = rest.rsplit_once('-')?;
    (of == deployment).then_some((model, made.parse().ok()?))
}

/// Where it is noted how far each collection is.
pub(super) fn notes(deployment: &str) -> String {
    format!("{deployment}-notes")
}

/// The shard of a day. One that is written anew is another one, with the next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShardName {
    pub(super) day: Day,
    pub(super) made: u32,
}

impl ShardName {
    pub(super) fn key(self) -> String {
        match self.made {
            0 => self.day.to_string(),
            made => format!("{}.{made}", self.day),
        }
    }

    pub(super) fn parse(key: &str) -> Option<Self> {
        let (day, made) = match key.split_once('.') {
            Some((day, made)) => (day, made.parse().ok()?),
            None => (key, 0),
        };
        Some(Self { day: day.parse().ok()?, made })
    }
}
