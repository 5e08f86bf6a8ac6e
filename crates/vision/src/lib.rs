//! Looks at pictures with ONNX models: finds figures, vehicles and carried things, follows them from frame to frame,
//! names colours, and turns a redacted crop into an appearance vector. The only crate that sees ONNX Runtime.
//!
//! What it refuses to do: run a model file whose digest is not the manifest's, embed or describe anything but a
//! [`redact::RedactedCrop`], and look at faces for any purpose but finding where they are so that they can be erased
//! ([`CenterFace`] reads no landmarks and makes no vector). What a [`Silhouette`] holds is never kept. It opens no network connection; models are fetched by the
//! set-up scripts.
//!
//! One [`Vision`] per worker thread: `&mut self` everywhere, nothing shared but the loaded library.

mod appearance;
mod carried;
mod describe;
mod detector;
mod error;
mod faces;
mod figure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lab;
mod letterbox;
mod linear;
mod manifest;
mod motion;
mod runtime;
mod scene_light;
mod session;
mod silhouette;
mod stature;
mod store;
mod tracker;

pub use appearance::{About, AppearanceParts, Embedder, LearnError, PartsFinder, Projection, Source, learn};
pub use carried::{carried_by, carried_closely};
pub use describe::describe;
pub use detector::{Detector, DetectorOptions, DetectorTimes, InputSize};
pub use error::VisionError;
pub use faces::CenterFace;
pub use letterbox::Rgb;
pub use manifest::{Decode, Input, Manifest, ManifestError, ModelEntry, Role, RuntimeEntry, SourceFile};
pub use motion::{Motion, MotionGate};
pub use runtime::{QUIET, Runtime, RuntimeError};
pub use scene_light::SceneLight;
pub use session::{Device, DeviceError, time_in_models};
pub use silhouette::Silhouette;
pub use stature::{Stance, StatureScale};
pub use store::{ModelState, ModelStore};
pub use tracker::{Tracker, TrackerOptions, TrackerStep};

/// Which models a worker uses and how; `None` takes the manifest's default.
#[derive(Debug, Clone, Default)]
pub struct VisionOptions {
    pub detector: Option<String>,
    pub detector_options: DetectorOptions,
    pub faces: Option<String>,
    pub embedder: Option<String>,
    /// File of the learned step of appearance.
    pub appearance: Option<std::path::PathBuf>,
    /// Where the detector runs. Faces and appearances, a few crops a track, stay on the CPU.
    pub device: Device,
}

/// Every model one worker thread needs. `Send`, not shared: sessions run on the caller's thread, one intra-op thread each.
#[derive(Debug)]
pub struct Vision {
    pub detector: Detector,
    pub faces: CenterFace,
    pub embedder: Embedder,
}

impl Vision {
    /// Loads the runtime if nobody has, verifies each model file's digest, and makes the sessions.
    pub fn load(store: &ModelStore, options: &VisionOptions) -> Result<Self, VisionError> {
        Ok(Self {
            detector: Detector::load_on(store, options.detector.as_deref(), options.detector_options.clone(), options.device)?,
            faces: CenterFace::load(store, options.faces.as_deref())?,
            embedder: Embedder::load(store, options.embedder.as_deref(), options.appearance.as_deref())?,
        })
    }

    /// Bundles for so many threads. On a CPU each has sessions of its own; a detector on a GPU is shared by all, and what
    /// they ask at the same time is one batch.
    pub fn load_many(store: &ModelStore, options: &VisionOptions, count: usize) -> Result<Vec<Self>, VisionError> {
        if options.device == Device::Cpu {
            return (0..count).map(|_| Self::load(store, options)).collect();
        }
        let name = options.detector.as_deref();
        let detectors = Detector::load_shared(store, name, &options.detector_options, options.device, count)?;
        if detectors.iter().any(|d| d.device() == Device::Cpu) {
            return Self::load_many(store, &VisionOptions { device: Device::Cpu, ..options.clone() }, count);
        }
        let with = |detector| {
            Ok(Self {
                detector,
                faces: CenterFace::load(store, options.faces.as_deref())?,
                embedder: Embedder::load(store, options.embedder.as_deref(), options.appearance.as_deref())?,
            })
        };
        detectors.into_iter().map(with).collect()
    }
}
