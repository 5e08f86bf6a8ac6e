use std::path::PathBuf;

/// The variable, and its value, that keeps ONNX Runtime from writing a device id into the user's cache folder and from calling
/// its maker. The library reads it as it is loaded; what it offers as a setting comes too late.
pub const QUIET: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Why the library can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The library would report its use to its maker.
    #[error("ONNX Runtime is not loaded: without {}={} in the environment it calls its maker", QUIET.0, QUIET.1)]
    WouldTell,
    /// The library is nowhere.
    #[error("the ONNX Runtime library was not found; looked for {}", looked.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    NotFound {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// There is a file, and it is no library that this build can use.
    #[error("load the ONNX Runtime library {}", file.display())]
    Load {
        /// The file.
        file: PathBuf,
        /// What the loader says.
        #[source]
        source: ort::LoadDynamicError,
    },
    /// The library was loaded and does not start.
    #[error("start ONNX Runtime from {}", file.display())]
    Start {
        /// The file.
        file: PathBuf,
        /// What it says.
        #[source]
        source: ort::Error,
    },
}

impl RuntimeError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::WouldTell => {
                "start this program with ORT_DISABLE_TELEMETRY=1; `sightline` does so itself, and so does cargo here"
            }
            Self::NotFound { .. } => "run `sightline models fetch`, or set ORT_DYLIB_PATH to libonnxruntime.so 1.22 or newer",
            Self::Load { source: ort::LoadDynamicError::BadVersion { .. }, .. } => {
                "this library is too old: run `sightline models fetch`, or unset ORT_DYLIB_PATH"
            }
            Self::Load { .. } | Self::Start { .. } => "the file is not a working ONNX Runtime: run `sightline models fetch`",
        }
    }
}
