use tlog_tiles::{Checkpoint, Hash};

use super::{KeyKind, LogError, MAX_SIZE, Note, NoteKey, NoteSignature, NoteSigner, TreeHead};

/// Whom to believe. A log alone could show different trees to different people; witnesses that each saw one tree grow make
/// that visible.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Its name is the checkpoint's origin.
    pub log: NoteKey,
    pub witnesses: Vec<NoteKey>,
    /// How many of the witnesses must have signed.
    pub quorum: usize,
}

/// A head that may be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub head: TreeHead,
    /// Who saw it, and when in seconds of POSIX.
    pub witnessed: Vec<(String, u64)>,
}

/// The log's own checkpoint, without witnesses yet.
pub fn sign_head(signer: &NoteSigner, head: &TreeHead) -> Result<Note, LogError> {
    let checkpoint = Checkpoint::new(signer.key().name(), head.size, head.hash, "");
    let checkpoint = checkpoint.map_err(|_| LogError::Checkpoint("the log has no name"))?;
    let text = String::from_utf8(checkpoint.to_bytes()).map_err(|_| LogError::Checkpoint("it is not text"))?;
    let signature = signer.sign(&text, 0);
    Ok(Note { text, signatures: vec![signature] })
}

impl Trust {
    /// Reads a checkpoint and holds it against the keys: the log's signature, and a quorum of witnesses.
    pub fn check(&self, note: &Note) -> Result<Checked, LogError> {
        let head = read_head(&self.log, note)?;
        let witnesses = self.witnesses.iter().filter(|w| w.kind() == KeyKind::Witness && w.bytes() != self.log.bytes());
        let signed = note.verify(witnesses)?;
        if signed.len() < self.quorum {
            return Err(LogError::Quorum { got: signed.len(), want: self.quorum });
        }
        Ok(Checked { head, witnessed: signed.into_iter().map(|(key, time)| (key.name().to_owned(), time)).collect() })
    }
}

fn read_head(log: &NoteKey, note: &Note) -> Result<TreeHead, LogError> {
    if log.kind() != KeyKind::Log || note.verify([log])?.is_empty() {
        return Err(LogError::NotTheLog(log.name().to_owned()));
    }
    let checkpoint = Checkpoint::from_bytes(note.text().as_bytes()).map_err(|_| LogError::Checkpoint("it is malformed"))?;
    if checkpoint.origin() != log.name() {
        return Err(LogError::NotTheLog(log.name().to_owned()));
    }
    let head = TreeHead { size: checkpoint.size(), hash: *checkpoint.hash() };
    if head.size > MAX_SIZE {
        return Err(LogError::TooLarge(head.size));
    }
    if head.size == 0 && head.hash != TreeHead::EMPTY.hash {
        return Err(LogError::Checkpoint("an empty log has another hash"));
    }
    Ok(head)
}

/// Whether the tree of `before` is the beginning of `now`'s.
pub fn check_consistency(before: &TreeHead, now: &TreeHead, proof: &[Hash]) -> Result<(), LogError> {
    if now.size > MAX_SIZE {
        return Err(LogError::TooLarge(now.size));
    }
    if now.size < before.size {
        return Err(LogError::WentBack { before: before.size, now: now.size });
    }
    if before.size == 0 {
        let empty = proof.is_empty() && before.hash == TreeHead::EMPTY.hash;
        return if empty { Ok(()) } else { Err(LogError::Proof) };
    }
    tlog_tiles::check_tree(&proof.to_vec(), now.size, now.hash, before.size, before.hash).map_err(|_| LogError::Proof)
}

/// What a witness did: the head it saw last from now on, and its signature.
#[derive(Debug, Clone)]
pub struct Cosigned {
    /// To be durable before the signature leaves.
    pub head: TreeHead,
    pub signature: NoteSignature,
}

/// A witness's whole work: signs only what grew out of what it signed last. `last` is [`TreeHead::EMPTY`] for a log it never
/// saw; `time` in seconds of POSIX.
pub fn cosign(
    witness: &NoteSigner,
    log: &NoteKey,
    last: &TreeHead,
    note: &Note,
    proof: &[Hash],
    time: u64,
) -> Result<Cosigned, LogError> {
    let head = read_head(log, note)?;
    check_consistency(last, &head, proof)?;
    Ok(Cosigned { head, signature: witness.sign(note.text(), time) })
}
