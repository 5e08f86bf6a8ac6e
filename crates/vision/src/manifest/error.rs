use serde::Deserialize;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds people, vehicles and carried things in frames.
    Detector,
    /// Finds faces to erase them.
    FaceFinder,
    /// Makes a picture into numbers that say how its subject looks.
    Embedder,
    /// Tells a figure from what is around it.
    Figure,
}

/// Why a manifest is not used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or has not the keys that it should have.
    #[error("the manifest is not what it should be")]
    Parse(#[from] toml::de::Error),
    /// Two models have one name.
    #[error("the manifest names model {0:?} twice")]
    Twice(String),
    /// A name can't be a file's.
    #[error("model name {0:?} is not made of a-z, 0-9, '-', '_' and '.'")]
    Name(String),
    /// More than one model says that it is the default of a role.
    #[error("the manifest has {count} default models for {role:?}; it needs at most one")]
    Defaults {
        /// The role.
        role: Role,
        /// How many do.
        count: usize,
    },
}
