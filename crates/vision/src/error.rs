use std::path::PathBuf;

use types::ModelDigest;

use crate::{
    manifest::{ManifestError, Role},
    runtime::RuntimeError,
};

/// Why a model can't be used or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// The list of models that was built in is wrong.
    #[error("read the model manifest")]
    Manifest(#[from] ManifestError),
    /// A model was asked for by a name that the manifest does not have.
    #[error("the manifest has no model {name:?}; it has {known}")]
    NoSuchModel {
        /// The name, or the role of which there is no model.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A model was asked for what it is not made for.
    #[error("model {name} is a {found:?}, not a {wanted:?}")]
    WrongRole {
        /// The model's name.
        name: String,
        /// What it is for.
        found: Role,
        /// What it was to be for.
        wanted: Role,
    },
    /// The model's file was not fetched.
    #[error("model file {} is missing", file.display())]
    Missing {
        /// Where it should be.
        file: PathBuf,
    },
    /// The model's file is another, or damaged.
    #[error("model file {} has sha256 {got}, the manifest says {want}: it is refused", file.display())]
    Digest {
        /// The file.
        file: PathBuf,
        /// The digest in the manifest.
        want: ModelDigest,
        /// The digest of the file.
        got: ModelDigest,
    },
    /// The model's file is there and can't be read.
    #[error("read model file {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// The ONNX Runtime library can't be used.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// ONNX Runtime does not take the model.
    #[error("make a session for model {model}")]
    Session {
        /// The model's name.
        model: String,
        /// What it says.
        #[source]
        source: ort::Error,
    },
    /// No thread could be started for a model that several share.
    #[error("start the thread of model {model}")]
    Thread {
        /// The model's name.
        model: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// ONNX Runtime failed on an input.
    #[error("run model {model}")]
    Run {
        /// The model's name.
        model: String,
        /// What it says.
        #[source]
        source: ort::Error,
    },
    /// The model's answer is not of the shape or the values that it should be of.
    #[error("model {model} answered {what}")]
    Output {
        /// The model's name.
        model: String,
        /// What it answered.
        what: String,
    },
    /// A learned step of appearance can't be used.
    #[error("the appearance projection {name} {what}; it is not used")]
    Projection {
        /// Its file, or where else it comes from.
        name: String,
        /// What is wrong with it, as the end of a sentence.
        what: String,
    },
    /// The options name a size that no detector can be shown.
    #[error("the input size {width}x{height} is not a multiple of 32 between 32 and 2048")]
    InputSize {
        /// Columns, in pixels.
        width: u32,
        /// Rows, in pixels.
        height: u32,
    },
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
