//! What is known to be on disk: a small file, replaced whole.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use types::{Day, ModelDigest, TimeError};

use crate::{IndexError, IndexSpec, bucket::Stored};

/// 1 was the format of Qdrant Edge's folders.
const FORMAT: u32 = 2;
/// A day is written anew that often at most: the next number is always there.
const MOST_GENERATIONS: u64 = u64::MAX / 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Every change of the catalogue up to this number is on disk.
    pub(crate) synced: u64,
    /// The buckets that must be there, and how much of each.
    pub(crate) days: BTreeMap<Day, Stored>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    model: String,
    appearance_len: usize,
    synced: u64,
    days: Vec<DayDocument>,
    /// CRC-32 of the rest, so that a changed number is noticed.
    #[serde(default)]
    crc32: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DayDocument {
    day: String,
    generation: u64,
    records: u64,
}

impl Document {
    fn sum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.model.as_bytes());
        hasher.update(&self.synced.to_le_bytes());
        for day in &self.days {
            hasher.update(day.day.as_bytes());
            hasher.update(&day.generation.to_le_bytes());
            hasher.update(&day.records.to_le_bytes());
        }
        hasher.finalize()
    }
}

/// What any format says.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl State {
    pub(crate) const FILE: &str = "state.json";

    pub(crate) fn empty() -> Self {
        Self { synced: 0, days: BTreeMap::new() }
    }

    /// `None` where there is no file yet.
    pub(crate) fn load(folder: &Path, spec: &IndexSpec) -> Result<Option<Self>, IndexError> {
        let path = folder.join(Self::FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IndexError::Io { action: "read", path, source }),
        };
        let bad = |reason: String| IndexError::State { path: path.clone(), reason };
        let any: AnyFormat = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if any.format != FORMAT {
            return Err(IndexError::Format { path, got: any.format, want: FORMAT });
        }
        let doc: Document = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if doc.crc32 != doc.sum() {
            return Err(bad("its checksum does not fit".to_owned()));
        }
        if doc.model.parse::<ModelDigest>().ok() != Some(spec.model) || doc.appearance_len != spec.appearance_len {
            return Err(bad("another model or vector length".to_owned()));
        }
        if doc.days.iter().any(|day| day.generation > MOST_GENERATIONS) {
            return Err(bad("a file's number that none ever had".to_owned()));
        }
        let stored = |d: &DayDocument| Ok((d.day.parse()?, Stored { generation: d.generation, records: d.records }));
        let days = doc.days.iter().map(stored).collect::<Result<_, TimeError>>().map_err(|e| bad(e.to_string()))?;
        Ok(Some(Self { synced: doc.synced, days }))
    }

    /// Durable when it returns.
    pub(crate) fn store(&self, folder: &Path, spec: &IndexSpec) -> Result<(), IndexError> {
        let day = |(day, stored): (&Day, &Stored)| DayDocument {
            day: day.to_string(),
            generation: stored.generation,
            records: stored.records,
        };
        let mut doc = Document {
            format: FORMAT,
            model: spec.model.to_string(),
            appearance_len: spec.appearance_len,
            synced: self.synced,
            days: self.days.iter().map(day).collect(),
            crc32: 0,
        };
        doc.crc32 = doc.sum();
        let path = folder.join(Self::FILE);
        let bytes = serde_json::to_vec_pretty(&doc).map_err(io::Error::other);
        bytes.and_then(|bytes| durable::write(&path, &bytes)).map_err(|source| IndexError::Io {
            action: "write",
            path: path.clone(),
            source,
        })
    }
}
