//! What leads from a possible sighting to the entry of the record that commits to it.

use access::{AuditEntry, Seen};
use serde::{Deserialize, Serialize};

/// What opens the commitment to a possible sighting, and leads from it to an entry of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// The entry that commits to it.
    pub entry: u64,
    /// Path of the entry's receipt in the export.
    pub receipt: String,
    /// Which of how many leaves.
    pub leaf: u64,
    /// Leaves under the entry's root.
    pub count: u64,
    /// Sixteen bytes, in hexadecimal.
    pub salt: String,
    /// What opens the commitment to its stature, or the commitment alone.
    pub stature: CommittedStature,
    /// Where in the frame the crop was seen: x, y, width, height.
    pub bbox: [f32; 4],
    /// Width and height.
    pub frame: [u32; 2],
    /// Of its appearance vector, which is not exported.
    pub vector_sha256: String,
    /// From the leaf's sibling up, in hexadecimal.
    pub proof: Vec<String>,
}

/// Stature is committed to by itself: a case that may not ask it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommittedStature {
    /// It is among the words, or there is none; this opens it.
    Salt(String),
    /// What it is hashed to.
    Withheld(String),
}

/// What an entry says of sightings, and when; `None` where it is about something else.
pub fn seen_of(entry: &AuditEntry) -> Option<&Seen> {
    entry.detail.seen.as_ref().filter(|seen| seen.count > 0)
}
