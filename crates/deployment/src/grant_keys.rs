//! The public keys by which the server knows an authoriser's signature.
//!
//! A file is called `organisation.name.pem` and has one key or several, one after the other. Lines before a key say from when on it
//! counts and until when:
//!
//! ```text
//! not-before: 2026-12-01T00:00:00Z
//! not-after: 2027-12-01T00:00:00Z
//! -----BEGIN PUBLIC KEY-----
//! ```
//!
//! Passkeys are in `organisation.name.passkey`, a list as JSON. An entry has `server` and `key`, and may have the two times as
//! `not_before` and `not_after`.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use access::{AuthoriserKey, Passkey, PublicKey};
use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePublicKey, EncodePrivateKey as _, EncodePublicKey, spki::der::pem::LineEnding},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use types::ReceiveTime;

use crate::authority::PkiError;

const BEFORE: &str = "not-before:";
const AFTER: &str = "not-after:";

/// Why the authorisers' keys can't be read.
#[derive(Debug, thiserror::Error)]
pub enum GrantKeyError {
    /// A file can't be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// A file is no key.
    #[error("{} is not an Ed25519 public key in PEM", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A file is no list of passkeys.
    #[error("{} is no list of passkeys: {why}", path.display())]
    Passkey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A line before a key says no time.
    #[error("{}: {line:?} says neither `not-before: TIME` nor `not-after: TIME`, the time as RFC 3339 in UTC", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        line: String,
    },
}

/// One public key of a file, with the time in which it counts.
#[derive(Debug, Clone)]
pub(crate) struct KeyInFile {
    pub(crate) key: VerifyingKey,
    pub(crate) pem: String,
    pub(crate) from: Option<ReceiveTime>,
    pub(crate) until: Option<ReceiveTime>,
}

/// The keys of a file, in their order.
pub(crate) fn read_keys(path: &Path, text: &str) -> Result<Vec<KeyInFile>, GrantKeyError> {
    let bad_key = || GrantKeyError::Key { path: path.to_owned() };
    let (mut keys, mut from, mut until, mut pem) = (Vec::new(), None, None, String::new());
    for line in text.lines() {
        let inside = !pem.is_empty() || line.starts_with("-----BEGIN ");
        if inside {
            let _ = writeln!(pem, "{line}");
            if line.starts_with("-----END ") {
                let key = VerifyingKey::from_public_key_pem(&pem).map_err(|_| bad_key())?;
                keys.push(KeyInFile { key, pem: std::mem::take(&mut pem), from: from.take(), until: until.take() });
            }
            continue;
        }
        let bad = || GrantKeyError::Line { path: path.to_owned(), line: line.chars().take(80).collect() };
        let time = |text: &str| text.trim().parse::<ReceiveTime>().map(Some).map_err(|_| bad());
        match (line.strip_prefix(BEFORE), line.strip_prefix(AFTER)) {
            (Some(text), _) => from = time(text)?,
            (_, Some(text)) => until = time(text)?,
            // A word that is misspelt must not make a key count for ever.
            _ if line.trim().is_empty() || line.starts_with('#') => {}
            _ => return Err(bad()),
        }
    }
    if keys.is_empty() || !pem.is_empty() || from.is_some() || until.is_some() { Err(bad_key()) } else { Ok(keys) }
}

/// As [`read_keys`] reads it.
pub(crate) fn write_keys(keys: &[KeyInFile]) -> String {
    let mut text = String::new();
    for key in keys {
        for (word, time) in [(BEFORE, key.from), (AFTER, key.until)] {
            if let Some(time) = time {
                let _ = writeln!(text, "{word} {time}");
            }
        }
        text.push_str(&key.pem);
    }
    text
}

/// An Ed25519 key to sign grants with, and its public half, in PEM.
pub(crate) fn new_key() -> Result<(impl AsRef<str>, String), PkiError> {
    let key = SigningKey::from_bytes(&rand::random());
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| PkiError::GrantKey(e.into()))?;
    let shared = key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|e| PkiError::GrantKey(e.into()))?;
    Ok((pem, shared))
}

/// Makes an Ed25519 key to sign grants with.
pub(crate) fn make(private: &Path, public: &Path) -> Result<(), PkiError> {
    let (pem, shared) = new_key()?;
    durable::create_private(private, pem.as_ref().as_bytes())
        .map_err(|source| PkiError::Write { file: private.to_owned(), source })?;
    durable::create_public(public, shared.as_bytes()).map_err(|source| PkiError::Write { file: public.to_owned(), source })
}

/// A key of the folder. Nobody's signature counts by it yet.
#[derive(Debug)]
pub struct FoundKey {
    /// Whose it is, by its file's name: `organisation.name`.
    pub owner: String,
    /// SHA-256 of its public half (SPKI, DER), in hexadecimal.
    pub sha256: String,
    /// The key, with the time in which it counts.
    pub key: AuthoriserKey<GrantKey>,
}

/// What an authoriser signs with.
#[derive(Debug)]
pub enum GrantKey {
    /// `OWNER.pem`
    Key(PublicKey),
    /// One of `OWNER.passkey`.
    Passkey(Passkey),
}

/// Reads every key of a folder.
///
/// # Errors
/// [`GrantKeyError`]: one file that can't be read is a fault of all, so that nobody's key is left out silently.
pub fn load(folder: &Path) -> Result<Vec<FoundKey>, GrantKeyError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| GrantKeyError::Read { path, source }
    };
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let Some(file) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let (owner, found) = if let Some(name) = file.strip_suffix(".pem") {
            (name, grant_keys(&path, &fs::read_to_string(&path).map_err(failed(&path))?)?)
        } else if let Some(name) = file.strip_suffix(".passkey") {
            (name, passkeys(&path, &fs::read(&path).map_err(failed(&path))?)?)
        } else {
            continue;
        };
        if !is_owner(owner) {
            tracing::warn!(path = %path.display(), "a grant key that is not called organisation.name.pem or .passkey is nobody's");
            continue;
        }
        keys.extend(found.into_iter().map(|(key, sha256)| FoundKey { owner: owner.to_owned(), sha256, key }));
    }
    Ok(keys)
}

/// A key of a file, with the SHA-256 of its public half.
type Read = (AuthoriserKey<GrantKey>, String);

fn grant_keys(path: &Path, text: &str) -> Result<Vec<Read>, GrantKeyError> {
    let keys = read_keys(path, text)?.into_iter().map(|KeyInFile { key, from, until, .. }| {
        let der = key.to_public_key_der().map_err(|_| GrantKeyError::Key { path: path.to_owned() })?;
        let found = GrantKey::Key(PublicKey(key.to_bytes()));
        Ok((AuthoriserKey { key: found, from, until }, hex::encode(Sha256::digest(der.as_bytes()))))
    });
    keys.collect()
}

/// What the console's page saved for somebody who may sign: a list, so that one person may have several. An operator may add
/// when one begins and ends to count.
fn passkeys(path: &Path, text: &[u8]) -> Result<Vec<Read>, GrantKeyError> {
    let fault = |why: String| GrantKeyError::Passkey { path: path.to_owned(), why };
    let entries: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(text).map_err(|e| fault(e.to_string()))?;
    let read = |mut entry: serde_json::Map<String, Value>| {
        let mut time = |word: &str| {
            let text = entry.remove(word);
            let time = text.as_ref().map(|text| text.as_str().and_then(|text| text.parse::<ReceiveTime>().ok()));
            time.map(|time| time.ok_or_else(|| fault(format!("{word} is not a time as RFC 3339 in UTC")))).transpose()
        };
        let (from, until) = (time("not_before")?, time("not_after")?);
        let passkey: Passkey = serde_json::from_value(Value::Object(entry)).map_err(|e| fault(e.to_string()))?;
        passkey.check().map_err(|e| fault(e.to_string()))?;
        let sha256 = hex::encode(Sha256::digest(&passkey.key));
        Ok((AuthoriserKey { key: GrantKey::Passkey(passkey), from, until }, sha256))
    };
    entries.into_iter().map(read).collect()
}

/// Whether a file's name can be of an organisation and of somebody.
fn is_owner(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    name.len() <= 127 && name.contains('.') && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const KEY: &str =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    fn read(text: &str) -> Result<Vec<KeyInFile>, GrantKeyError> {
        read_keys(Path::new("oversight.nora.pem"), text)
    }

    #[test]
    fn a_file_has_keys_one_after_the_other_each_with_its_time() {
        let text = format!(
            "# of the first year\nnot-after: 2027-01-01T00:00:00Z\n{KEY}\nnot-before: 2027-01-01T00:00:00Z\nnot-after: 2028-01-01T00:00:00Z\n{KEY}{KEY}"
        );
        let keys = read(&text).unwrap();
        let year =
            |key: &KeyInFile| (key.from.map(|t| t.to_string()[..4].to_owned()), key.until.map(|t| t.to_string()[..4].to_owned()));
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(keys.iter().map(year).collect::<Vec<_>>(), [(None, of("2027")), (of("2027"), of("2028")), (None, None)]);
        let again = read(&write_keys(&keys)).unwrap();
        assert_eq!(again.iter().map(year).collect::<Vec<_>>(), keys.iter().map(year).collect::<Vec<_>>());
    }

    #[test]
    fn a_word_that_is_misspelt_makes_no_key_count_for_ever() {
        for text in [
            format!("not-aftr: 2027-01-01T00:00:00Z\n{KEY}"),
            format!("not-after: tomorrow\n{KEY}"),
            format!("not after 2027-01-01T00:00:00Z\n{KEY}"),
        ] {
            assert!(matches!(read(&text), Err(GrantKeyError::Line { .. })), "{text}");
        }
        // A time that belongs to no key, half a key, none.
        for text in
            [format!("{KEY}not-after: 2027-01-01T00:00:00Z\n"), KEY.replace("-----END PUBLIC KEY-----\n", ""), String::new()]
        {
            assert!(matches!(read(&text), Err(GrantKeyError::Key { .. })), "{text}");
        }
    }

    #[test]
    fn a_list_of_passkeys_has_each_with_its_time_and_nothing_that_is_not_understood() {
        let der = read(KEY).unwrap()[0].key.to_public_key_der().unwrap();
        let key = URL_SAFE_NO_PAD.encode(der.as_bytes());
        let list = |more: &str| format!(r#"[{{"server":"sight.example","key":"{key}"{more}}}]"#);
        let read = |text: &str| passkeys(Path::new("oversight.nora.passkey"), text.as_bytes());
        let [(plain, sha256)] = &read(&list("")).unwrap()[..] else { panic!("one") };
        assert_eq!((plain.from, plain.until, sha256), (None, None, &hex::encode(Sha256::digest(der.as_bytes()))));
        let timed = read(&list(r#","not_before":"2027-01-01T00:00:00Z","not_after":"2028-01-01T00:00:00Z""#)).unwrap();
        assert!(timed[0].0.from.unwrap() < timed[0].0.until.unwrap());
        for more in
            [r#","not_aftr":"2027-01-01T00:00:00Z""#, r#","not_after":"tomorrow""#, r#","not_after":null"#, r#","key":"AA""#]
        {
            assert!(matches!(read(&list(more)), Err(GrantKeyError::Passkey { .. })), "{more}");
        }
    }
}
