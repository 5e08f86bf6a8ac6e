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
    /// NanoDet-Plus: distributions over the distance to each side of a box.
    Nanodet,
    /// SSD: boxes as offsets from the cells of several levels, with a score a class.
    Ssd,
    /// YOLOX: offsets from the cells of three grids.
    Yolox,
    /// CenterFace: a heat map, sizes and offsets.
    Centerface,
    /// The features of a backbone, stripe by stripe from the top.
    Appearance,
    /// BlazePose: a mask of the figure.
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
    /// As the height, in pixels.
    pub width: Option<u32>,
}

/// A file taken out of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SourceFile {
    /// Its path in the package.
    pub path: String,
    /// SHA-256, in hexadecimal.
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
    /// What it is for.
    pub role: Role,
    /// Used where no model of the role is named.
    #[serde(default)]
    pub default: bool,
    /// How its input is made and its answer is read.
    pub decode: Decode,
    /// SPDX identifier of the licence of its weights.
    pub licence: String,
    /// Of the converted file; any other is refused.
    #[serde(rename = "sha256", deserialize_with = "digest")]
    pub digest: ModelDigest,
    /// How the file was made from the package's.
    #[serde(default)]
    pub converter: String,
    /// Where its weights come from.
    #[serde(default)]
    pub source: Source,
    /// What it wants to be shown.
    #[serde(default)]
    pub input: Input,
}

/// The ONNX Runtime library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuntimeEntry {
    /// As the library says it, such as 1.22.0.
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
    ///
    /// # Errors
    /// [`ManifestError`]: never of a build that passes its tests.
    pub fn embedded() -> Result<Self, ManifestError> {
        Self::parse(include_str!("../../../models/manifest.toml"))
    }

    /// Reads a manifest, a TOML document.
    ///
    /// # Errors
    /// [`ManifestError`], which says what is wrong with it.
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

    /// All models, in the order of the manifest.
    pub fn entries(&self) -> &[ModelEntry] {
        &self.models
    }

    /// The library that runs them.
    pub fn runtime(&self) -> &RuntimeEntry {
        &self.runtime
    }

    /// The model of a name.
    ///
    /// # Errors
    /// [`VisionError::NoSuchModel`] where there is none.
    pub fn entry(&self, name: &str) -> Result<&ModelEntry, VisionError> {
        self.models
            .iter()
            .find(|m| m.name == name)
            .ok_or_else(|| VisionError::NoSuchModel { name: name.into(), known: self.known() })
    }

    /// The model used for a role where none is named: the one marked so, else the first.
    ///
    /// # Errors
    /// [`VisionError::NoSuchModel`] where the role has no model.
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
