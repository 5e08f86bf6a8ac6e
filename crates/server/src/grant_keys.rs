//! The public keys by which the server knows an authoriser's signature.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use access::{Caller, PublicKey};
use ed25519_dalek::{VerifyingKey, pkcs8::DecodePublicKey};

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
}

/// Keys by `organisation.name`, read once at start.
#[derive(Debug, Default)]
pub(crate) struct GrantKeys(BTreeMap<String, PublicKey>);

impl GrantKeys {
    pub(crate) fn load(folder: &Path) -> Result<Self, GrantKeyError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| GrantKeyError::Read { path, source }
        };
        let mut keys = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".pem")) else { continue };
            let pem = fs::read_to_string(&path).map_err(failed(&path))?;
            let key = VerifyingKey::from_public_key_pem(&pem).map_err(|_| GrantKeyError::Key { path: path.clone() })?;
            keys.insert(name.to_owned(), PublicKey(key.to_bytes()));
        }
        Ok(Self(keys))
    }

    pub(crate) fn of(&self, caller: &Caller) -> Option<PublicKey> {
        self.0.get(&format!("{}.{}", caller.organisation, caller.name)).copied()
    }

    pub(crate) fn all(&self) -> Vec<PublicKey> {
        self.0.values().copied().collect()
    }
}
