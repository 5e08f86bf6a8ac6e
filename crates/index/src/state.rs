//! What is known to be on disk: a small file, replaced whole.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use types::{Day, ModelDigest};

use crate::{IndexError, IndexSpec};

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Every change of the catalogue up to this number is on disk.
    pub(crate) synced: u64,
    /// The buckets that must be there.
    pub(crate) days: BTreeSet<Day>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    model: String,
    appearance_len: usize,
    synced: u64,
    days: Vec<String>,
}

impl State {
    pub(crate) const FILE: &str = "state.json";

    pub(crate) fn empty() -> Self {
        Self { synced: 0, days: BTreeSet::new() }
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
        let doc: Document = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if doc.format != FORMAT {
            return Err(bad(format!("format {}, this version reads {FORMAT}", doc.format)));
        }
        if doc.model.parse::<ModelDigest>().ok() != Some(spec.model) || doc.appearance_len != spec.appearance_len {
            return Err(bad("another model or vector length".to_owned()));
        }
        let days = doc.days.iter().map(|d| d.parse()).collect::<Result<_, _>>().map_err(|e| bad(format!("{e}")))?;
        Ok(Some(Self { synced: doc.synced, days }))
    }

    /// Durable when it returns.
    pub(crate) fn store(&self, folder: &Path, spec: &IndexSpec) -> Result<(), IndexError> {
        let doc = Document {
            format: FORMAT,
            model: spec.model.to_string(),
            appearance_len: spec.appearance_len,
            synced: self.synced,
            days: self.days.iter().map(Day::to_string).collect(),
        };
        let path = folder.join(Self::FILE);
        let write = || -> io::Result<()> {
            let temporary = folder.join(".state.json.new");
            let mut file = File::create(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(&doc)?)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(folder)
        };
        write().map_err(|source| IndexError::Io { action: "write", path: path.clone(), source })
    }
}

/// Makes renames and deletions in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
