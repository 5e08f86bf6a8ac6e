//! The public keys by which the server knows an authoriser's signature.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use access::{Action, AuditDetail, Caller, Passkey, PublicKey};
use catalogue::Catalogue;
use ed25519_dalek::{
    VerifyingKey,
    pkcs8::{DecodePublicKey, EncodePublicKey},
};
use sha2::{Digest, Sha256};
use types::ReceiveTime;

use crate::{credentials::known::put_on_record, record::log::Log, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub enum GrantKeyError {
    #[error("read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not an Ed25519 public key in PEM", path.display())]
    Key { path: PathBuf },
    #[error("{} is no list of passkeys: {why}", path.display())]
    Passkey { path: PathBuf, why: String },
}

/// Keys of owners, each an `organisation.name`, as they lie in the folder. Nobody's signature counts by them yet.
#[derive(Debug)]
pub(crate) struct FoundKeys(Vec<FoundKey>);

#[derive(Debug)]
struct FoundKey {
    owner: String,
    key: Found,
    sha256: String,
}

#[derive(Debug)]
enum Found {
    /// `OWNER.pem`
    Key(PublicKey),
    /// One of `OWNER.passkey`.
    Passkey(Passkey),
}

impl FoundKeys {
    pub(crate) fn load(folder: &Path) -> Result<Self, GrantKeyError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| GrantKeyError::Read { path, source }
        };
        let mut keys = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let Some(file) = path.file_name().and_then(|n| n.to_str()) else { continue };
            if let Some(owner) = file.strip_suffix(".passkey").filter(|owner| is_owner(owner)) {
                for passkey in passkeys(&path, &fs::read(&path).map_err(failed(&path))?)? {
                    let sha256 = hex::encode(Sha256::digest(&passkey.key));
                    keys.push(FoundKey { owner: owner.to_owned(), key: Found::Passkey(passkey), sha256 });
                }
                continue;
            }
            let Some(name) = file.strip_suffix(".pem") else { continue };
            let pem = fs::read_to_string(&path).map_err(failed(&path))?;
            let key = VerifyingKey::from_public_key_pem(&pem).map_err(|_| GrantKeyError::Key { path: path.clone() })?;
            if !is_owner(name) {
                tracing::warn!(path = %path.display(), "a grant key that is not called organisation.name.pem is nobody's");
                continue;
            }
            let der = key.to_public_key_der().map_err(|_| GrantKeyError::Key { path: path.clone() })?;
            let sha256 = hex::encode(Sha256::digest(der.as_bytes()));
            keys.push(FoundKey { owner: name.to_owned(), key: Found::Key(PublicKey(key.to_bytes())), sha256 });
        }
        Ok(Self(keys))
    }

    /// Puts on the record which keys came and which went since the last start. Only then are they trusted.
    pub(crate) async fn trust(self, catalogue: &Catalogue, log: &Log, now: ReceiveTime) -> Result<GrantKeys, StoreError> {
        let before = catalogue.grant_keys_on_record().await?;
        let found: BTreeSet<_> = self.0.iter().map(|found| (found.owner.clone(), found.sha256.clone())).collect();
        let gone = before.difference(&found).map(|key| (Action::DropGrantKey, key));
        let new = found.difference(&before).map(|key| (Action::TrustGrantKey, key));
        for (action, (owner, sha256)) in gone.chain(new) {
            let (key_owner, key_sha256) = (Some(owner.clone()), Some(sha256.clone()));
            put_on_record(log, action, AuditDetail { key_owner, key_sha256, ..AuditDetail::default() }, now).await?;
            tracing::info!(%owner, %sha256, %action, "grant key on the record");
        }
        let mut trusted = GrantKeys::default();
        for FoundKey { owner, key, .. } in self.0 {
            match key {
                Found::Key(key) => {
                    trusted.keys.insert(owner, key);
                }
                Found::Passkey(passkey) => trusted.passkeys.entry(owner).or_default().push(passkey),
            }
        }
        Ok(trusted)
    }
}

/// What the console's page saved for somebody who may sign: a list, so that one person may have several.
fn passkeys(path: &Path, text: &[u8]) -> Result<Vec<Passkey>, GrantKeyError> {
    let fault = |why: &dyn std::fmt::Display| GrantKeyError::Passkey { path: path.to_owned(), why: why.to_string() };
    let passkeys: Vec<Passkey> = serde_json::from_slice(text).map_err(|e| fault(&e))?;
    passkeys.iter().try_for_each(Passkey::check).map_err(|e| fault(&e))?;
    Ok(passkeys)
}

/// Whether a file's name can be of an organisation and of somebody.
fn is_owner(name: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    name.len() <= 127 && name.contains('.') && name.bytes().all(letter)
}

/// The keys that are trusted, by `organisation.name`. Each is on the record: only [`FoundKeys::trust`] makes them.
#[derive(Debug, Default)]
pub(crate) struct GrantKeys {
    keys: BTreeMap<String, PublicKey>,
    passkeys: BTreeMap<String, Vec<Passkey>>,
}

impl GrantKeys {
    pub(crate) fn of(&self, caller: &Caller) -> Option<PublicKey> {
        self.keys.get(&owner(caller)).copied()
    }

    pub(crate) fn all(&self) -> Vec<PublicKey> {
        self.keys.values().copied().collect()
    }

    pub(crate) fn passkeys_of(&self, caller: &Caller) -> &[Passkey] {
        self.passkeys.get(&owner(caller)).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn all_passkeys(&self) -> Vec<Passkey> {
        self.passkeys.values().flatten().cloned().collect()
    }
}

fn owner(caller: &Caller) -> String {
    format!("{}.{}", caller.organisation, caller.name)
}
