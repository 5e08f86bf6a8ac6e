use std::path::PathBuf;

use types::ModelDigest;

use crate::{
    manifest::{ManifestError, Role},
    runtime::RuntimeError,
};

/// Why a model can't be used or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    #[error("read the model manifest")]
    Manifest(#[from] ManifestError),
    #[error("the manifest has no model {name:?}; it has {known}")]
    NoSuchModel { name: String, known: String },
    #[error("model {name} is a {found:?}, not a {wanted:?}")]
    WrongRole { name: String, found: Role, wanted: Role },
    #[error("model file {} is missing", file.display())]
    Missing { file: PathBuf },
    #[error("model file {} has sha256 {got}, the manifest says {want}: it is refused", file.display())]
    Digest { file: PathBuf, want: ModelDigest, got: ModelDigest },
    #[error("read model file {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("make a session for model {model}")]
    Session {
        model: String,
        #[source]
        source: ort::Error,
    },
    #[error("start the thread of model {model}")]
    Thread {
        model: String,
        #[source]
        source: std::io::Error,
    },
    #[error("run model {model}")]
    Run {
        model: String,
        #[source]
        source: ort::Error,
    },
    #[error("model {model} answered {what}")]
    Output { model: String, what: String },
    #[error("the appearance projection {name} {what}; it is not used")]
    Projection { name: String, what: String },
    #[error("the input size {width}x{height} is not a multiple of 32 between 32 and 2048")]
    InputSize { width: u32, height: u32 },
}

impl VisionError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } | Self::Digest { .. } => Some("run `sightline models fetch`"),
            Self::Runtime(error) => Some(error.hint()),
            Self::NoSuchModel { .. } | Self::WrongRole { .. } => Some("`sightline models list` shows what there is"),
            Self::Projection { .. } => Some("make one for this build and its models: `sightline appearance learn`"),
            _ => None,
        }
    }
}
