use serde::Deserialize;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Detector,
    /// Finds faces to erase them.
    FaceFinder,
    Embedder,
    /// Tells a figure from what is around it.
    Figure,
}

/// Why a manifest is not used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is not what it should be")]
    Parse(#[from] toml::de::Error),
    #[error("the manifest names model {0:?} twice")]
    Twice(String),
    #[error("model name {0:?} is not made of a-z, 0-9, '-', '_' and '.'")]
    Name(String),
    #[error("the manifest has {count} default models for {role:?}; it needs at most one")]
    Defaults { role: Role, count: usize },
}
