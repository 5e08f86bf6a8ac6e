//! How far a reindex is, as people are told.

use std::time::Duration;

use catalogue::AppearanceModel;

use super::compare::Comparison;

/// How far a reindex is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is next.
    pub state: State,
    /// The one that is searched.
    pub current: AppearanceModel,
    /// The one on its way, or the one before.
    pub other: Option<AppearanceModel>,
    /// Changes that the index beside has not taken.
    pub left: u64,
    /// Crops embedded by this process, and how long one took.
    pub embedded: u64,
    /// See [`Self::embedded`].
    pub each: Duration,
    /// How the two compare, once they were compared.
    pub comparison: Option<Comparison>,
}

/// Where a reindex stands; see the picture above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No other model.
    None,
    /// Its vectors are being made.
    Embedding,
    /// It has all of them and was compared.
    Ready,
    /// It is searched; the one before is still there.
    Switched,
}
