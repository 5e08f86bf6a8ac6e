//! What holds an export together: the log's own signature under the digests of its two ends.

use std::fmt::Write;

use super::{KeyKind, LogError, Note, NoteKey, NoteSigner};

/// The first line of what is signed. It has spaces, which a log's name can't have, so that neither a seal passes for a
/// checkpoint nor a checkpoint for a seal, although one key signs both.
const HEADER: &str = "sightline export v1";

/// SHA-256 of the two files of an export that between them name every other: a signed note says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Lists every other file with its own digest.
    pub manifest: [u8; 32],
    /// Of the entry that ended the export on the record, and that names the manifest too.
    pub receipt: [u8; 32],
}

impl Seal {
    fn text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for (name, digest) in [("manifest", self.manifest), ("receipt", self.receipt)] {
            let _ = writeln!(text, "{name} {}", hex::encode(digest));
        }
        text
    }

    /// # Errors
    /// [`LogError::NotTheLog`] for a key that signs no log.
    pub fn sign(&self, signer: &NoteSigner) -> Result<Note, LogError> {
        if signer.key().kind() != KeyKind::Log {
            return Err(LogError::NotTheLog(signer.key().name().to_owned()));
        }
        let text = self.text();
        let signature = signer.sign(&text, 0);
        Ok(Note { text, signatures: vec![signature] })
    }

    /// Reads a seal of this log. There is one way to write each, so that no byte of it can be another.
    ///
    /// # Errors
    /// [`LogError::NotTheLog`] where another key signed it, or more than one; [`LogError::Note`] and
    /// [`LogError::Seal`] where it does not read as one.
    pub fn read(note: &str, log: &NoteKey) -> Result<Self, LogError> {
        let bad = LogError::Seal;
        let parsed: Note = note.parse()?;
        if log.kind() != KeyKind::Log || parsed.signatures().len() != 1 || parsed.verify([log])?.is_empty() {
            return Err(LogError::NotTheLog(log.name().to_owned()));
        }
        let mut lines = parsed.text().lines();
        if lines.next() != Some(HEADER) {
            return Err(bad("its first line is another"));
        }
        let mut digest = |name: &str| {
            let hex = lines.next().and_then(|l| l.strip_prefix(name)?.strip_prefix(' '));
            let mut digest = [0; 32];
            hex::decode_to_slice(hex.unwrap_or_default(), &mut digest).map(|()| digest).map_err(|_| bad("a digest is missing"))
        };
        let seal = Self { manifest: digest("manifest")?, receipt: digest("receipt")? };
        if seal.text() == parsed.text() && parsed.to_string() == note {
            Ok(seal)
        } else {
            Err(bad("it is written in another way"))
        }
    }
}
/// The first line of what is signed under a backup; no export's and no checkpoint's.
const BACKUP: &str = "sightline backup v1";

fn backup_text(manifest: [u8; 32]) -> String {
    format!("{BACKUP}\nmanifest {}\n", hex::encode(manifest))
}

/// The log's signature under the SHA-256 of a backup's manifest, which names every other file of it.
///
/// # Errors
/// [`LogError::NotTheLog`] for a key that signs no log.
pub fn seal_backup(manifest: [u8; 32], signer: &NoteSigner) -> Result<Note, LogError> {
    if signer.key().kind() != KeyKind::Log {
        return Err(LogError::NotTheLog(signer.key().name().to_owned()));
    }
    let text = backup_text(manifest);
    let signature = signer.sign(&text, 0);
    Ok(Note { text, signatures: vec![signature] })
}

/// # Errors
/// Unless `note` is this log's seal of a backup with this manifest.
pub fn check_backup_seal(note: &str, manifest: [u8; 32], log: &NoteKey) -> Result<(), LogError> {
    let parsed: Note = note.parse()?;
    if log.kind() != KeyKind::Log || parsed.verify([log])?.is_empty() {
        return Err(LogError::NotTheLog(log.name().to_owned()));
    }
    if parsed.text() == backup_text(manifest) { Ok(()) } else { Err(LogError::Seal("it is of another backup")) }
}
