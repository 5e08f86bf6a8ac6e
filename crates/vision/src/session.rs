//! One loaded model.

use std::fmt;

use ort::{session::Session, value::TensorRef};
use types::ModelDigest;

use crate::{error::VisionError, manifest::ModelEntry, runtime::Runtime, store::ModelStore};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number. Needs the cargo feature `cuda` and a library built for it; else the CPU is used, with
    /// a warning.
    Cuda(u32),
}

/// A model whose digest was right when it was loaded.
pub(crate) struct Model {
    name: String,
    pub(crate) digest: ModelDigest,
    session: Session,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({}, {:?})", self.name, self.digest)
    }
}

/// The answers of one run, by the names of the outputs.
pub(crate) struct Answers<'a> {
    model: &'a str,
    outputs: ort::session::SessionOutputs<'a>,
}

impl Answers<'_> {
    pub(crate) fn name(&self) -> &str {
        self.model
    }

    pub(crate) fn get(&self, name: &str) -> Result<(&[i64], &[f32]), VisionError> {
        let value = self.outputs.get(name).ok_or_else(|| output(self.model, format!("without an output {name:?}")))?;
        let (shape, data) =
            value.try_extract_tensor::<f32>().map_err(|source| VisionError::Run { model: self.model.into(), source })?;
        Ok((shape, data))
    }

    pub(crate) fn first(&self) -> Result<(&[i64], &[f32]), VisionError> {
        let name = self.outputs.keys().next().ok_or_else(|| output(self.model, "nothing".into()))?;
        self.get(name)
    }
}

pub(crate) fn output(model: &str, what: String) -> VisionError {
    VisionError::Output { model: model.into(), what }
}

impl Model {
    pub(crate) fn load(store: &ModelStore, entry: &ModelEntry, device: Device) -> Result<Self, VisionError> {
        let bytes = store.read(entry)?;
        let runtime = Runtime::load(store)?;
        let failed = |source: ort::Error| VisionError::Session { model: entry.name.clone(), source };
        let session = build(&runtime, device, &bytes).map_err(failed)?;
        tracing::debug!(model = entry.name, digest = %entry.digest.short(), "model loaded");
        Ok(Self { name: entry.name.clone(), digest: entry.digest, session })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs on one picture of `[1, 3, height, width]`.
    pub(crate) fn run(&mut self, tensor: &[f32], height: usize, width: usize) -> Result<Answers<'_>, VisionError> {
        let failed = |source| VisionError::Run { model: self.name.clone(), source };
        let input = TensorRef::from_array_view(([1, 3, height, width], tensor)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        Ok(Answers { model: &self.name, outputs })
    }
}

fn build(runtime: &Runtime, device: Device, bytes: &[u8]) -> ort::Result<Session> {
    // One thread and no spinning: workers run in parallel, and spinning threads take the cores from each other.
    let mut builder = Session::builder(&runtime.environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?;
    match device {
        Device::Cpu => {}
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => {
            let cuda = ort::ep::CUDA::default().with_device_id(i32::try_from(number).unwrap_or(0)).build().error_on_failure();
            builder = builder.with_execution_providers([cuda]).unwrap_or_else(|error| {
                tracing::warn!(%error, "no CUDA: the model runs on the CPU");
                error.recover()
            });
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => tracing::warn!("built without the feature `cuda`: the model runs on the CPU"),
    }
    builder.commit_from_memory(bytes)
}
