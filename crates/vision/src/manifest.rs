//! `models/manifest.toml`: which models there are, where they come from and what their bytes hash to.

mod error;

use serde::Deserialize;
use types::ModelDigest;

pub use self::error::{ManifestError, Role};
use crate::error::VisionError;

/// How a model's input is made and its answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    Nanodet,
    Ssd,
    Yolox,
    Centerface,
    Appearance,
    Blazepose,
}

/// What the converted model takes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Input {
    /// Of the input tensor.
    pub name: Option<String>,
    /// The size the model is used at, for a picture of 16:9; others get as many pixels.
    pub height: Option<u32>,
    pub width: Option<u32>,
}

/// A file taken out of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SourceFile {
    pub path: String,
    pub sha256: String,
}

/// The package a model is converted from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Source {
    pub registry: String,
    pub package: String,
    pub version: String,
    pub archive_sha256: String,
    pub files: Vec<SourceFile>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelEntry {
    /// File `models/<name>.onnx` of the cache.
    pub name: String,
    pub role: Role,
    /// Used where no model of the role is named.
    #[serde(default)]
    pub default: bool,
    pub decode: Decode,
    pub licence: String,
    /// Of the converted file; any other is refused.
    #[serde(rename = "sha256", deserialize_with = "digest")]
    pub digest: ModelDigest,
    #[serde(default)]
    pub converter: String,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub input: Input,
}

/// The ONNX Runtime library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuntimeEntry {
    pub version: String,
}

/// The parsed manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Manifest {
    runtime: RuntimeEntry,
    #[serde(default, rename = "model")]
    models: Vec<ModelEntry>,
}

impl Manifest {
    /// The one this binary was built with.
    pub fn embedded() -> Result<Self, ManifestError> {
        Self::parse(include_str!("../../../models/manifest.toml"))
    }

    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        for (i, model) in manifest.models.iter().enumerate() {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
            if model.name.is_empty() || model.name.starts_with('.') || !model.name.chars().all(word) {
                return Err(ManifestError::Name(model.name.clone()));
            }
            if manifest.models[..i].iter().any(|m| m.name == model.name) {
                return Err(ManifestError::Twice(model.name.clone()));
            }
            let count = manifest.models.iter().filter(|m| m.default && m.role == model.role).count();
            if count > 1 {
                return Err(ManifestError::Defaults { role: model.role, count });
            }
        }
        Ok(manifest)
    }

    pub fn entries(&self) -> &[ModelEntry] {
        &self.models
    }

    pub fn runtime(&self) -> &RuntimeEntry {
        &self.runtime
    }

    pub fn entry(&self, name: &str) -> Result<&ModelEntry, VisionError> {
        self.models
            .iter()
            .find(|m| m.name == name)
            .ok_or_else(|| VisionError::NoSuchModel { name: name.into(), known: self.known() })
    }

    /// The model used for a role where none is named: the one marked so, else the first.
    pub fn default(&self, role: Role) -> Result<&ModelEntry, VisionError> {
        let all = || self.models.iter().filter(|m| m.role == role);
        let none = || VisionError::NoSuchModel { name: format!("for {role:?}"), known: self.known() };
        all().find(|m| m.default).or_else(|| all().next()).ok_or_else(none)
    }

    fn known(&self) -> String {
        self.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn digest<'de, D: serde::Deserializer<'de>>(de: D) -> Result<ModelDigest, D::Error> {
    String::deserialize(de)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_of_this_build_names_a_default_for_every_role() {
        let manifest = Manifest::embedded().unwrap();
        for role in [Role::Detector, Role::FaceFinder, Role::Embedder, Role::Figure] {
            assert_eq!(manifest.default(role).unwrap().role, role);
        }
    }

    #[test]
    fn a_name_that_could_leave_the_cache_folder_is_refused() {
        let text = |name: &str| {
            format!(
                "[runtime]\nversion = \"1\"\n[[model]]\nname = {name:?}\nrole = \"embedder\"\ndecode = \"appearance\"\nlicence = \"MIT\"\nsha256 = \"{}\"",
                "0".repeat(64)
            )
        };
        assert!(Manifest::parse(&text("fine-1.0")).is_ok());
        for bad in ["../x", "a/b", "", ".x", "A"] {
            assert!(matches!(Manifest::parse(&text(bad)), Err(ManifestError::Name(_))), "{bad}");
        }
    }
}
