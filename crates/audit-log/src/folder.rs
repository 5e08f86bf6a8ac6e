//! A log as it lies in a folder: tiles and a checkpoint, read and checked.

use std::path::Path;

use access::{
    Action, AuditEntry, Phase,
    log::{Checked, Introductions, Note, TreeHead, Trust, check_consistency, verify_log},
};
use durable::read_all;

use crate::{fault::LogFault, files::FileTiles};

/// A checkpoint with more witnesses than anybody has.
const MOST_NOTE: u64 = 1 << 20;

/// Checks a log as it lies in a folder, with no server: every entry and tile against the checkpoint, and that against `trust`.
/// Calls `seen` with every entry in order. Each change of the log's key is an entry, and the checkpoint knows of no other.
///
/// # Errors
/// The first [`LogFault`] that is found. `seen` has got the entries before it.
pub fn verify_folder(tiles: &FileTiles, trust: &Trust, mut seen: impl FnMut(u64, &[u8])) -> Result<Checked, LogFault> {
    let path = tiles.checkpoint();
    let note = read_note(&path)?.ok_or(LogFault::NoCheckpoint { path })?;
    let checked = trust.check(&note)?;
    let mut changes = Changes::default();
    verify_log(tiles, &checked.head, |index, entry| {
        changes.take(trust.log.name(), index, entry);
        seen(index, entry);
    })?;
    // Its signer came by as many changes as its entries have, whatever is known of later ones.
    let came_by = checked.keys.keys().position(|key| *key == checked.signed_by).unwrap_or(0);
    if changes.fit && changes.keys.begin(&checked.keys) && changes.keys.taken_over().count() == came_by {
        Ok(checked)
    } else {
        Err(LogFault::Keys)
    }
}

/// The log's keys, as its entries have them.
struct Changes {
    keys: Introductions,
    /// Each entry adds one key to what the entries before say, at a head of before.
    fit: bool,
}

impl Default for Changes {
    fn default() -> Self {
        Self { keys: Introductions::NONE, fit: true }
    }
}

impl Changes {
    fn take(&mut self, name: &str, index: u64, entry: &[u8]) {
        // Most entries need not be read as a whole.
        let action = Action::IntroduceLogKey.as_str().as_bytes();
        if !entry.windows(action.len()).any(|part| part == action) {
            return;
        }
        let Ok(AuditEntry { action: Action::IntroduceLogKey, phase: Phase::Begin, detail, .. }) = AuditEntry::from_bytes(entry)
        else {
            return;
        };
        let keys = detail.log_keys.and_then(|text| Introductions::read(name, &text).ok());
        let next = keys.filter(|keys| self.keys.begin(keys) && keys.taken_over().count() == self.keys.taken_over().count() + 1);
        match next.filter(|keys| keys.taken_over().last().is_some_and(|head| head.size <= index)) {
            Some(keys) => self.keys = keys,
            None => self.fit = false,
        }
    }
}

/// That what `by` has `seen` is the beginning of the log at `head`.
///
/// # Errors
/// [`LogFault::Forked`] where it is not; [`LogFault::Log`] where the tiles do not fit the head.
pub fn check_beginning(tiles: &FileTiles, seen: &TreeHead, head: &TreeHead, by: impl FnOnce() -> String) -> Result<(), LogFault> {
    let proof = access::log::prove_consistency(tiles, head, seen.size)?;
    check_consistency(seen, head, &proof).map_err(|_| LogFault::Forked { by: by() })
}

/// Whether one checkpoint's log is the beginning of the other's, by the tiles of the longer.
///
/// # Errors
/// [`LogFault::Log`] where either is not to be believed, or the second did not grow out of the first.
pub fn verify_growth(tiles: &FileTiles, trust: &Trust, from: &Note, to: &Note) -> Result<(Checked, Checked), LogFault> {
    let (from, to) = (trust.check(from)?, trust.check(to)?);
    let proof = access::log::prove_consistency(tiles, &to.head, from.head.size)?;
    check_consistency(&from.head, &to.head, &proof)?;
    Ok((from, to))
}

/// A checkpoint, unchecked; `None` where there is no file.
///
/// # Errors
/// [`LogFault::Io`] where it can't be read; [`LogFault::Log`] where it is no note.
pub fn read_note(path: &Path) -> Result<Option<Note>, LogFault> {
    let text = match read_all(path, MOST_NOTE).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            return Err(LogFault::Io { action: "read", path: path.to_owned(), source });
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LogFault::Io { action: "read", path: path.to_owned(), source }),
    };
    Ok(Some(text.parse::<Note>().map_err(access::log::LogError::from)?))
}

/// The head that a checkpoint's file says, held against `trust`; `None` where there is no file.
///
/// # Errors
/// As [`read_note`], and [`LogFault::Log`] where it is not to be believed.
pub fn checked(trust: &Trust, path: &Path) -> Result<Option<TreeHead>, LogFault> {
    read_note(path)?.map(|note| Ok(trust.check(&note)?.head)).transpose()
}
