//! The model files of a machine, each checked against the manifest before it is used.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use types::ModelDigest;

use crate::{
    error::VisionError,
    manifest::{Manifest, ModelEntry, Role},
};

/// Whether a model's file is what the manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// There is no such file.
    Missing,
    /// It is.
    Verified,
    /// It is another file, or damaged.
    Corrupt {
        /// The digest of the file.
        found: ModelDigest,
    },
}

/// A cache folder (`models/<name>.onnx`, `lib/libonnxruntime.so.<version>`) and the manifest that says what belongs in it.
#[derive(Debug, Clone)]
pub struct ModelStore {
    cache: PathBuf,
    manifest: Manifest,
}

impl ModelStore {
    /// The files beneath the folder `cache` that `manifest` names.
    pub fn new(cache: impl Into<PathBuf>, manifest: Manifest) -> Self {
        Self { cache: cache.into(), manifest }
    }

    /// The manifest built in, and the folder `SIGHTLINE_CACHE`, else `sightline` in the user's cache folder.
    ///
    /// # Errors
    /// [`VisionError::Manifest`]: never of a build that passes its tests.
    pub fn from_env() -> Result<Self, VisionError> {
        Ok(Self::new(Self::default_cache(), Manifest::embedded()?))
    }

    /// `SIGHTLINE_CACHE`, else `$XDG_CACHE_HOME/sightline`, else `~/.cache/sightline`.
    pub fn default_cache() -> PathBuf {
        let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        set("SIGHTLINE_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|p| p.join("sightline")))
            .or_else(|| set("HOME").map(|p| p.join(".cache").join("sightline")))
            .unwrap_or_else(|| PathBuf::from(".sightline-cache"))
    }

    /// The folder that models and library lie beneath.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Which models there are.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the model's file belongs, whether it is there or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.cache.join("models").join(format!("{name}.onnx"))
    }

    pub(crate) fn library_name(&self) -> String {
        format!("libonnxruntime.so.{}", self.manifest.runtime().version)
    }

    /// Where the ONNX Runtime library belongs.
    pub fn library_file(&self) -> PathBuf {
        self.cache.join("lib").join(self.library_name())
    }

    /// Reads and hashes the model's file.
    ///
    /// # Errors
    /// [`VisionError::NoSuchModel`]; [`VisionError::Read`] where the file is there and can't be read.
    pub fn state(&self, name: &str) -> Result<ModelState, VisionError> {
        let entry = self.manifest.entry(name)?;
        match self.read(entry) {
            Ok(_) => Ok(ModelState::Verified),
            Err(VisionError::Missing { .. }) => Ok(ModelState::Missing),
            Err(VisionError::Digest { got, .. }) => Ok(ModelState::Corrupt { found: got }),
            Err(error) => Err(error),
        }
    }

    /// Like [`Self::state`], with a model that is missing or another as an error.
    ///
    /// # Errors
    /// [`VisionError::NoSuchModel`], [`VisionError::Missing`], [`VisionError::Digest`], [`VisionError::Read`].
    pub fn verify(&self, name: &str) -> Result<(), VisionError> {
        self.read(self.manifest.entry(name)?).map(drop)
    }

    /// The entry `name`, or the default of the role.
    pub(crate) fn choose(&self, name: Option<&str>, role: Role) -> Result<&ModelEntry, VisionError> {
        let entry = match name {
            Some(name) => self.manifest.entry(name)?,
            None => self.manifest.default(role)?,
        };
        if entry.role == role {
            Ok(entry)
        } else {
            Err(VisionError::WrongRole { name: entry.name.clone(), found: entry.role, wanted: role })
        }
    }

    /// The bytes of a model whose digest is right. Sessions are made from these bytes, not from the file again.
    pub(crate) fn read(&self, entry: &ModelEntry) -> Result<Vec<u8>, VisionError> {
        let file = self.path(&entry.name);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(VisionError::Missing { file }),
            Err(source) => return Err(VisionError::Read { file, source }),
        };
        let got = ModelDigest(Sha256::digest(&bytes).into());
        if got == entry.digest { Ok(bytes) } else { Err(VisionError::Digest { file, want: entry.digest, got }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(dir: &Path, content: &[u8]) -> ModelStore {
        let digest = hex::encode(Sha256::digest(content));
        let text = format!(
            "[runtime]\nversion = \"1.32.0\"\n[[model]]\nname = \"m\"\nrole = \"detector\"\ndefault = true\ndecode = \"nanodet\"\n\
             licence = \"MIT\"\nsha256 = \"{digest}\"\nconverter = \"none\"\n"
        );
        ModelStore::new(dir, Manifest::parse(&text).unwrap())
    }

    #[test]
    fn a_model_file_with_one_flipped_byte_is_refused_by_name_and_both_digests() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), b"weights");
        assert_eq!(store.state("m").unwrap(), ModelState::Missing);
        fs::create_dir(dir.path().join("models")).unwrap();
        fs::write(store.path("m"), b"weights").unwrap();
        assert_eq!(store.state("m").unwrap(), ModelState::Verified);
        fs::write(store.path("m"), b"wEights").unwrap();
        assert!(matches!(store.state("m").unwrap(), ModelState::Corrupt { .. }));
        let error = store.verify("m").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("m.onnx") && text.contains(&store.manifest().entry("m").unwrap().digest.to_string()), "{text}");
        assert_eq!(error.hint(), Some("run `sightline models fetch`"));
    }

    #[test]
    fn a_model_the_manifest_does_not_name_is_an_error_that_lists_those_it_does() {
        let dir = tempfile::tempdir().unwrap();
        let error = store(dir.path(), b"").path_of_unknown();
        assert!(error.to_string().contains("it has m"), "{error}");
    }

    impl ModelStore {
        fn path_of_unknown(&self) -> VisionError {
            self.state("other").unwrap_err()
        }
    }
}
