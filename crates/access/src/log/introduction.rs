//! How a log changes its key: the old key and the new one both sign that the new one goes on from a certain head.
//!
//! A checkpoint by a later key carries the whole chain in one line among its signatures, under the log's own name and an id that
//! no key of this kind has. Whoever knows one key of the chain, an earlier or a later one, can so check every checkpoint, receipt
//! and export, with no server and no network. Others pass over the line, as C2SP `signed-note` has it of signatures that they
//! don't know.
//!
//! Only whoever holds the old key can introduce another, and each key signs only heads of its own time: up to the head at which
//! the next one took over. A key that is stolen after that signs nothing that is believed where the chain is known.

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::Signature;
use sha2::{Digest, Sha256};
use tlog_tiles::Hash;

use super::{KeyKind, LogError, MAX_SIZE, Note, NoteKey, NoteSignature, NoteSigner, TreeHead};

/// The first line of what both keys sign. A log's name has no space, so that this is no checkpoint, no seal and no event.
const HEADER: &str = "sightline log key v1";
/// Two keys, a head, two signatures.
const LEN: usize = 32 + 32 + 8 + 32 + 64 + 64;
/// How often a log can change its key: far more than one a year.
const MOST: usize = 100;

/// That one key goes on where another ends.
#[derive(Debug, Clone, PartialEq)]
struct Introduction {
    from: NoteKey,
    to: NoteKey,
    /// The last head of `from`.
    head: TreeHead,
    by_from: [u8; 64],
    by_to: [u8; 64],
}

/// The keys that a log had one after the other, each introduced by the one before. Only what holds can be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Introductions(Vec<Introduction>);

fn text(from: &NoteKey, to: &NoteKey, head: &TreeHead) -> String {
    let root = BASE64_STANDARD.encode(head.hash.0);
    format!("{HEADER}\n{}\nfrom {from}\nto {to}\nentries {}\nroot {root}\n", from.name(), head.size)
}

/// What the line of a note is known by: no key's id, which the hash of a key's kind begins.
fn id(name: &str) -> [u8; 4] {
    let mut hash = Sha256::new_with_prefix(name.as_bytes());
    hash.update([b'\n', 0xff]);
    hash.update(HEADER.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl Introduction {
    fn check(&self) -> Result<(), LogError> {
        let bad = LogError::Introduction;
        if self.from.kind() != KeyKind::Log || self.to.kind() != KeyKind::Log || self.from.name() != self.to.name() {
            return Err(bad("a key in it is not this log's"));
        }
        if self.from.bytes() == self.to.bytes() {
            return Err(bad("a key introduces itself"));
        }
        let text = text(&self.from, &self.to, &self.head);
        for (key, signature) in [(&self.from, &self.by_from), (&self.to, &self.by_to)] {
            let verifying = ed25519_dalek::VerifyingKey::from_bytes(&key.bytes()).map_err(|_| bad("a key in it is none"))?;
            verifying
                .verify_strict(text.as_bytes(), &Signature::from_bytes(signature))
                .map_err(|_| bad("it is not signed by both keys"))?;
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        [
            self.from.bytes().as_slice(),
            &self.to.bytes(),
            &self.head.size.to_be_bytes(),
            &self.head.hash.0,
            &self.by_from,
            &self.by_to,
        ]
        .concat()
    }

    fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let cut = || LogError::Introduction("it is cut off");
        let (from, rest) = bytes.split_first_chunk::<32>().ok_or_else(cut)?;
        let (to, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let (size, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let (root, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let (by_from, rest) = rest.split_first_chunk::<64>().ok_or_else(cut)?;
        let by_to = rest.first_chunk::<64>().ok_or_else(cut)?;
        let key = |bytes: &[u8; 32]| {
            NoteKey::new(name, KeyKind::Log, *bytes).map_err(|_| LogError::Introduction("a key in it is none"))
        };
        let head = TreeHead { size: u64::from_be_bytes(*size), hash: Hash(*root) };
        let this = Self { from: key(from)?, to: key(to)?, head, by_from: *by_from, by_to: *by_to };
        this.check()?;
        Ok(this)
    }
}

impl Introductions {
    /// A log that has its first key.
    pub const NONE: Self = Self(Vec::new());

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`Self::to_text`] wrote, for the log of this name.
    ///
    /// # Errors
    /// [`LogError::Introduction`] unless each is signed by both of its keys and they follow one upon the other.
    pub fn read(name: &str, text: &str) -> Result<Self, LogError> {
        let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| LogError::Introduction("it is not base64"))?;
        Self::from_bytes(name, &bytes)
    }

    /// One line of base64; empty where there are none.
    pub fn to_text(&self) -> String {
        BASE64_STANDARD.encode(self.to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Introduction::to_bytes).collect()
    }

    fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, LogError> {
        if bytes.len() > MOST * LEN || !bytes.len().is_multiple_of(LEN) {
            return Err(LogError::Introduction("its length is another"));
        }
        let mut all = Self::NONE;
        for one in bytes.chunks_exact(LEN) {
            all.push(Introduction::from_bytes(name, one)?)?;
        }
        Ok(all)
    }

    fn push(&mut self, next: Introduction) -> Result<(), LogError> {
        if self.0.len() == MOST {
            return Err(LogError::Introduction("the log has changed its key too often"));
        }
        if next.head.size > MAX_SIZE {
            return Err(LogError::TooLarge(next.head.size));
        }
        if let Some(last) = self.0.last() {
            if last.to != next.from {
                return Err(LogError::Introduction("one does not follow upon the other"));
            }
            // The entry that says so is the new key's.
            if next.head.size <= last.head.size {
                return Err(LogError::Introduction("the log went back between two of its keys"));
            }
        }
        // Nor may a key come back.
        if self.0.iter().any(|one| one.from == next.to) {
            return Err(LogError::Introduction("a key that has ended is introduced again"));
        }
        self.0.push(next);
        Ok(())
    }

    /// The chain with another key at its end, which goes on from `head`.
    ///
    /// # Errors
    /// [`LogError::Introduction`] where `old` is not the key that signs now.
    pub fn introduce(&self, old: &NoteSigner, new: &NoteSigner, head: TreeHead) -> Result<Self, LogError> {
        let (from, to) = (old.key().clone(), new.key().clone());
        let text = text(&from, &to, &head);
        let sign = |signer: &NoteSigner| {
            let bytes = signer.sign(&text, 0).bytes;
            <[u8; 64]>::try_from(bytes).map_err(|_| LogError::NotTheLog(signer.key().name().to_owned()))
        };
        let next = Introduction { by_from: sign(old)?, by_to: sign(new)?, from, to, head };
        next.check()?;
        let mut all = self.clone();
        all.push(next)?;
        Ok(all)
    }

    /// Puts the chain under a note.
    pub(super) fn put_under(&self, note: &mut Note) {
        if let Some(last) = self.0.last() {
            let name = last.to.name().to_owned();
            note.add(NoteSignature { id: id(&name), name, bytes: self.to_bytes() });
        }
    }

    /// The chain that lies under a note.
    pub(super) fn under(note: &Note, name: &str) -> Result<Self, LogError> {
        let (mut found, id) = (Self::NONE, id(name));
        for line in note.signatures().iter().filter(|line| line.name == name && line.id == id) {
            found = found.join(&Self::from_bytes(name, &line.bytes)?)?;
        }
        Ok(found)
    }

    /// The longer of two chains, one of which is the beginning of the other.
    pub(super) fn join(&self, other: &Self) -> Result<Self, LogError> {
        let both = self.0.len().min(other.0.len());
        if self.0[..both] != other.0[..both] {
            return Err(LogError::Introduction("the log shows another key to others"));
        }
        Ok(if self.0.len() < other.0.len() { other.clone() } else { self.clone() })
    }

    /// Whether this is the beginning of `longer`.
    pub fn begin(&self, longer: &Self) -> bool {
        longer.0.starts_with(&self.0)
    }

    /// The keys of the chain, the first first.
    pub fn keys(&self) -> impl Iterator<Item = &NoteKey> {
        self.0.first().map(|one| &one.from).into_iter().chain(self.0.iter().map(|one| &one.to))
    }

    /// The head at which each key but the first took over.
    pub fn taken_over(&self) -> impl Iterator<Item = TreeHead> {
        self.0.iter().map(|one| one.head)
    }

    /// Whether a head can be the key's: of after it was introduced, and of before the next one was.
    pub(super) fn may_sign(&self, key: &NoteKey, head: &TreeHead) -> bool {
        let after = self.0.iter().find(|one| one.to == *key).is_none_or(|one| head.size > one.head.size);
        let before = self.0.iter().find(|one| one.from == *key).is_none_or(|one| match head.size.cmp(&one.head.size) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => head.hash == one.head.hash,
            std::cmp::Ordering::Greater => false,
        });
        after && before
    }
}
