use tlog_tiles::{Checkpoint, Hash};

use super::{Introductions, KeyKind, LogError, MAX_SIZE, Note, NoteKey, NoteSignature, NoteSigner, TreeHead};

/// Whom to believe. A log alone could show different trees to different people; witnesses that each saw one tree grow make
/// that visible.
#[derive(Debug, Clone)]
pub struct Trust {
    /// A key of the log's, by name the checkpoint's origin: this one, those that it introduced and those that introduced it are
    /// believed, each for its time.
    pub log: NoteKey,
    /// What is known of the log's keys besides what a checkpoint says itself.
    pub known: Introductions,
    pub witnesses: Vec<NoteKey>,
    /// How many of the witnesses must have signed.
    pub quorum: usize,
}

/// A head that may be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub head: TreeHead,
    /// The key of the log that signed it.
    pub signed_by: NoteKey,
    /// The log's keys, as far as the checkpoint and who checks it know them.
    pub keys: Introductions,
    /// Who saw it, and when in seconds of POSIX.
    pub witnessed: Vec<(String, u64)>,
}

/// The checkpoint of a log that has its first key, without witnesses yet.
pub fn sign_head(signer: &NoteSigner, head: &TreeHead) -> Result<Note, LogError> {
    sign_head_as(signer, &Introductions::NONE, head)
}

/// The log's own checkpoint, without witnesses yet.
///
/// # Errors
/// [`LogError::OutOfTime`] unless `keys` are none, or end with the signer's.
pub fn sign_head_as(signer: &NoteSigner, keys: &Introductions, head: &TreeHead) -> Result<Note, LogError> {
    let log = signer.key();
    if keys.keys().last().is_some_and(|last| last != log) || !keys.may_sign(log, head) {
        return Err(LogError::OutOfTime(log.name().to_owned()));
    }
    let checkpoint = Checkpoint::new(log.name(), head.size, head.hash, "");
    let checkpoint = checkpoint.map_err(|_| LogError::Checkpoint("the log has no name"))?;
    let text = String::from_utf8(checkpoint.to_bytes()).map_err(|_| LogError::Checkpoint("it is not text"))?;
    let signature = signer.sign(&text, 0);
    let mut note = Note { text, signatures: vec![signature] };
    keys.put_under(&mut note);
    Ok(note)
}

impl Trust {
    /// A log by one of its keys, without witnesses.
    pub const fn of(log: NoteKey) -> Self {
        Self { log, known: Introductions::NONE, witnesses: Vec::new(), quorum: 0 }
    }

    /// As [`Self::of`]; what is known of its other keys is more than a checkpoint of before a change can say.
    pub const fn knowing(log: NoteKey, known: Introductions) -> Self {
        Self { log, known, witnesses: Vec::new(), quorum: 0 }
    }

    /// Reads a checkpoint and holds it against the keys: the log's signature, and a quorum of witnesses.
    pub fn check(&self, note: &Note) -> Result<Checked, LogError> {
        let keys = self.known.join(&Introductions::under(note, self.log.name())?)?;
        let signed_by = self.signer(note, &keys)?;
        let head = read_head(&signed_by, note)?;
        if !keys.may_sign(&signed_by, &head) {
            return Err(LogError::OutOfTime(self.log.name().to_owned()));
        }
        let witnesses = self.witnesses.iter().filter(|w| w.kind() == KeyKind::Witness && w.bytes() != self.log.bytes());
        let signed = note.verify(witnesses)?;
        if signed.len() < self.quorum {
            return Err(LogError::Quorum { got: signed.len(), want: self.quorum });
        }
        let witnessed = signed.into_iter().map(|(key, time)| (key.name().to_owned(), time)).collect();
        Ok(Checked { head, signed_by, keys, witnessed })
    }

    /// The one of the log's keys that signed it.
    fn signer(&self, note: &Note, keys: &Introductions) -> Result<NoteKey, LogError> {
        let not = || LogError::NotTheLog(self.log.name().to_owned());
        if keys.is_empty() {
            return Ok(self.log.clone());
        }
        // A chain that the known key is no link of introduces nobody.
        if !keys.keys().any(|key| *key == self.log) {
            return Err(not());
        }
        let signed = note.verify(keys.keys())?;
        match signed[..] {
            [(key, _)] => Ok(key.clone()),
            _ => Err(not()),
        }
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
/// saw; `log` the key that signed the note; `time` in seconds of POSIX.
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
