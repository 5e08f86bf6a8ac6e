//! Signed notes, C2SP `signed-note`: a text and the signatures under it.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Bytes of a note at most.
const MAX_NOTE: usize = 64 << 10;
/// A cosignature has its time in front.
const TIME: usize = 8;

/// Why a note is none, or is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text does not read as C2SP `signed-note`. Says why.
    #[error("this is not a signed note: {0}")]
    Malformed(&'static str),
    /// A line claims to be of a key that did not sign. Holds the key's name.
    #[error("the signature of {0} does not fit the note")]
    Signature(String),
    /// The text is no verifier key. Holds the text, shortened.
    #[error("{0:?} is not a verifier key: name+id+key")]
    Key(String),
    /// The name can't stand in a note. Holds the name, shortened.
    #[error("{0:?} can't name a key: it must not be empty nor contain spaces or '+'")]
    Name(String),
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The log signs its own checkpoints.
    Log = 0x01,
    /// A witness signs that it saw a log only ever grow, and when.
    Witness = 0x04,
}

/// Somebody's public key. Written `name+id+key`, a C2SP verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    kind: KeyKind,
    key: VerifyingKey,
}

impl NoteKey {
    /// `key` is an Ed25519 public key.
    ///
    /// # Errors
    /// [`NoteError::Name`] where the name is empty, over 200 bytes or has spaces or `+`; [`NoteError::Key`] where the
    /// bytes are no key.
    pub fn new(name: &str, kind: KeyKind, key: [u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| NoteError::Key(name.to_owned()))?;
        Ok(Self { name: name.to_owned(), kind, key })
    }

    /// The name under which the key signs: a log's origin, or a witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it signs as a log or as a witness.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 public key.
    pub fn bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The first four bytes of SHA-256 over name, kind and key: what a signature line begins with.
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new_with_prefix(self.name.as_bytes());
        hash.update([b'\n', self.kind as u8]);
        hash.update(self.key.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// The time of a cosignature in seconds of POSIX, 0 for a log's signature; an error if it does not fit.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<u64, NoteError> {
        let bad = || NoteError::Signature(self.name.clone());
        let (message, time, signature) = match self.kind {
            KeyKind::Log => (text.as_bytes().to_vec(), 0, signature),
            KeyKind::Witness => {
                let (time, signature) = signature.split_first_chunk::<TIME>().ok_or_else(bad)?;
                let time = u64::from_be_bytes(*time);
                (cosigned(text, time), time, signature)
            }
        };
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        if time > i64::MAX as u64 {
            return Err(bad());
        }
        self.key.verify_strict(&message, &signature).map_err(|_| bad())?;
        Ok(time)
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), BASE64_STANDARD.encode(key))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let bad = || NoteError::Key(text.chars().take(200).collect());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(bad()) };
        let key = BASE64_STANDARD.decode(key).map_err(|_| bad())?;
        let (kind, key) = match key.split_first() {
            Some((0x01, key)) => (KeyKind::Log, key),
            Some((0x04, key)) => (KeyKind::Witness, key),
            _ => return Err(bad()),
        };
        let key = Self::new(name, kind, key.try_into().map_err(|_| bad())?)?;
        if hex::encode(key.id()) == id { Ok(key) } else { Err(bad()) }
    }
}

/// Signs notes. Shows no key.
#[derive(Clone)]
pub struct NoteSigner {
    key: NoteKey,
    secret: SigningKey,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.key)
    }
}

impl NoteSigner {
    /// Signs with `secret` under a name.
    ///
    /// # Errors
    /// [`NoteError::Name`] where the name is empty, over 200 bytes or has spaces or `+`.
    pub fn new(name: &str, kind: KeyKind, secret: SigningKey) -> Result<Self, NoteError> {
        let key = NoteKey::new(name, kind, secret.verifying_key().to_bytes())?;
        Ok(Self { key, secret })
    }

    /// The public key to verify with.
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    /// `time` in seconds of POSIX; a log's own signature carries none.
    pub(crate) fn sign(&self, text: &str, time: u64) -> NoteSignature {
        let bytes = match self.key.kind {
            KeyKind::Log => self.secret.sign(text.as_bytes()).to_bytes().to_vec(),
            KeyKind::Witness => {
                let signature = self.secret.sign(&cosigned(text, time)).to_bytes();
                [time.to_be_bytes().as_slice(), &signature].concat()
            }
        };
        NoteSignature { name: self.key.name.clone(), id: self.key.id(), bytes }
    }
}

fn cosigned(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

fn check_name(name: &str) -> Result<(), NoteError> {
    let fits = !name.is_empty() && name.len() <= 200 && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
    if fits { Ok(()) } else { Err(NoteError::Name(name.chars().take(80).collect())) }
}

/// One line under a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key that claims to have signed.
    pub name: String,
    /// What [`NoteKey::id`] gives for that key.
    pub id: [u8; 4],
    /// The signature: 64 bytes of Ed25519, for a witness after 8 bytes of time.
    pub bytes: Vec<u8>,
}

/// A text with signatures, none of which is believed before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Ends with a newline.
    pub(crate) text: String,
    pub(crate) signatures: Vec<NoteSignature>,
}

impl Note {
    /// What is signed. Ends with a newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines under the text, in order. None of them is verified.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature, in place of an earlier one by the same key.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures.retain(|s| (&s.name, s.id) != (&signature.name, signature.id));
        self.signatures.push(signature);
    }

    /// Who of `keys` signed it, and when (0 for a log), each key once.
    ///
    /// # Errors
    /// A signature that claims to be of a known key and is not refuses the whole note.
    pub fn verify<'k>(&self, keys: impl IntoIterator<Item = &'k NoteKey>) -> Result<Vec<(&'k NoteKey, u64)>, NoteError> {
        let mut signed: Vec<(&NoteKey, u64)> = Vec::new();
        for key in keys {
            let id = key.id();
            for signature in self.signatures.iter().filter(|s| s.name == key.name && s.id == id) {
                let time = key.verify(&self.text, &signature.bytes)?;
                if !signed.iter().any(|(k, _)| k.bytes() == key.bytes() && k.kind == key.kind) {
                    signed.push((key, time));
                }
            }
        }
        Ok(signed)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for s in &self.signatures {
            writeln!(f, "\u{2014} {} {}", s.name, BASE64_STANDARD.encode([s.id.as_slice(), &s.bytes].concat()))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;
    fn from_str(note: &str) -> Result<Self, NoteError> {
        let bad = |what| Err(NoteError::Malformed(what));
        if note.len() > MAX_NOTE {
            return bad("it is too long");
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return bad("it has control characters");
        }
        let Some(split) = note.rfind("\n\n") else { return bad("it has no signatures") };
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else { return bad("it does not end with a newline") };
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let parts = line.strip_prefix("\u{2014} ").and_then(|l| l.split_once(' '));
            let Some((name, signature)) = parts else { return bad("a signature line is malformed") };
            check_name(name)?;
            let Ok(bytes) = BASE64_STANDARD.decode(signature) else { return bad("a signature is not base64") };
            let Some((id, bytes)) = bytes.split_first_chunk::<4>() else { return bad("a signature is too short") };
            signatures.push(NoteSignature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() });
        }
        Ok(Self { text: text.to_owned(), signatures })
    }
}
