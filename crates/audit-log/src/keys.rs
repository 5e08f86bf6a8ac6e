//! Keys that sign notes: the log's own and a witness's. The private half is PKCS #8 in PEM; beside it lies `.pub`, the C2SP
//! verifier key `name+id+key` by which others know the signature.

use std::path::{Path, PathBuf};

use access::{
    SigningKey,
    log::{Introductions, KeyKind, NoteKey, NoteSigner},
    signing_key_from_pem,
};
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};

use crate::fault::LogFault;

/// Where the verifier key to a private key lies.
pub fn public_half(private: &Path) -> PathBuf {
    private.with_extension("pub")
}

/// Makes a key; never over one that is there.
///
/// # Errors
/// [`LogFault::Io`] where a file is there already or can't be written; [`LogFault::Log`] where the name can't name a
/// key.
pub fn make_key(name: &str, kind: KeyKind, private: &Path) -> Result<NoteSigner, LogFault> {
    let (pem, signer) = new_key(name, kind, private)?;
    let public = public_half(private);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LogFault::Io { action: "write", path, source }
    };
    durable::create_private(private, pem.as_ref().as_bytes()).map_err(failed(private))?;
    durable::create_public(&public, format!("{}\n", signer.key()).as_bytes()).map_err(failed(&public))?;
    Ok(signer)
}

/// Reads both halves, which must belong together.
///
/// # Errors
/// [`LogFault::Io`] where a file can't be read; [`LogFault::Key`] where the halves do not belong together.
pub fn read_signer(private: &Path) -> Result<NoteSigner, LogFault> {
    let key = read_key(&public_half(private))?;
    let pem =
        std::fs::read_to_string(private).map_err(|source| LogFault::Io { action: "read", path: private.to_owned(), source })?;
    let bad = || LogFault::Key { path: private.to_owned() };
    let secret = signing_key_from_pem(&pem).map_err(|_| bad())?;
    let signer = NoteSigner::new(key.name(), key.kind(), secret).map_err(|_| bad())?;
    if *signer.key() == key { Ok(signer) } else { Err(bad()) }
}

/// A verifier key from a file.
///
/// # Errors
/// [`LogFault::Io`] where the file can't be read; [`LogFault::Key`] where it is no key.
pub fn read_key(path: &Path) -> Result<NoteKey, LogFault> {
    let text = std::fs::read_to_string(path).map_err(|source| LogFault::Io { action: "read", path: path.to_owned(), source })?;
    text.trim().parse().map_err(|_| LogFault::Key { path: path.to_owned() })
}

/// Where what is known of a log's other keys lies beside one of its keys.
pub fn introductions_beside(key: &Path) -> PathBuf {
    key.with_extension("introductions")
}

/// How the keys of a log introduced one another, from a file; none where there is no file.
///
/// # Errors
/// [`LogFault::Io`] where the file can't be read; [`LogFault::Log`] where one does not follow upon the other.
pub fn read_introductions(path: &Path, name: &str) -> Result<Introductions, LogFault> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Introductions::read(name, &text)?),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Introductions::NONE),
        Err(source) => Err(LogFault::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// Makes the secret half of a key, in PEM, and whoever signs with it. Writes nothing; `private` is for the error.
///
/// # Errors
/// [`LogFault::Key`] and [`LogFault::Log`] where the name can't name a key.
pub fn new_key(name: &str, kind: KeyKind, private: &Path) -> Result<(impl AsRef<str> + use<>, NoteSigner), LogFault> {
    let secret = SigningKey::from_bytes(&rand::random());
    let pem = secret.to_pkcs8_pem(LineEnding::LF).map_err(|_| LogFault::Key { path: private.to_owned() })?;
    let signer = NoteSigner::new(name, kind, secret).map_err(access::log::LogError::from)?;
    Ok((pem, signer))
}
