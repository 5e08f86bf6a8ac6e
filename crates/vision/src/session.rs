//! One loaded model.

mod batch;
mod runner;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ort::{
    session::{Session, SessionOutputs, builder::SessionBuilder},
    value::TensorRef,
};
use types::ModelDigest;

pub(crate) use batch::Shared;
pub(crate) use runner::Runner;

use crate::{error::VisionError, manifest::ModelEntry, runtime::Runtime, store::ModelStore};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The machine's processors: always there.
    #[default]
    Cpu,
    /// An NVIDIA GPU by its number. Needs the cargo feature `cuda` and a library built for it; else the CPU is used, with
    /// a warning.
    Cuda(u32),
}

/// Not the name of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not cpu, cuda or cuda:NUMBER")]
pub struct DeviceError(String);

impl std::str::FromStr for Device {
    type Err = DeviceError;

    /// `cpu`, `cuda` (the first GPU) or `cuda:1`.
    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                number.parse().map(Self::Cuda).map_err(|_| DeviceError(text.to_owned()))
            }
            _ => Err(DeviceError(text.to_owned())),
        }
    }
}

/// Nanoseconds.
static IN_MODELS: AtomicU64 = AtomicU64::new(0);

/// How long this process has run models so far, all its threads together: against the whole, what is left of it is ours.
pub fn time_in_models() -> Duration {
    Duration::from_nanos(IN_MODELS.load(Ordering::Relaxed))
}

/// A model whose digest was right when it was loaded.
pub(crate) struct Model {
    name: String,
    pub(crate) digest: ModelDigest,
    /// Where it runs, which need not be where it was wished for.
    pub(crate) device: Device,
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
    outputs: Outputs<'a>,
}

enum Outputs<'a> {
    Session(SessionOutputs<'a>),
    Own(&'a [Tensor]),
}

/// One output, copied out of its session.
#[derive(Clone)]
pub(crate) struct Tensor {
    name: String,
    shape: Vec<i64>,
    values: Vec<f32>,
}

impl Answers<'_> {
    pub(crate) fn name(&self) -> &str {
        self.model
    }

    pub(crate) fn get(&self, name: &str) -> Result<(&[i64], &[f32]), VisionError> {
        let found = match &self.outputs {
            Outputs::Session(outputs) => match outputs.get(name) {
                Some(value) => Some(value.try_extract_tensor::<f32>().map_err(|source| self.failed(source))?),
                None => None,
            }
            .map(|(shape, values)| (&**shape, values)),
            Outputs::Own(all) => all.iter().find(|t| t.name == name).map(|t| (&*t.shape, &*t.values)),
        };
        found.ok_or_else(|| output(self.model, format!("without an output {name:?}")))
    }

    pub(crate) fn first(&self) -> Result<(&[i64], &[f32]), VisionError> {
        let names = self.names();
        self.get(names.first().ok_or_else(|| output(self.model, "nothing".into()))?)
    }

    /// The answers to each of so many pictures that were run together.
    fn split(&self, pictures: usize) -> Result<Vec<Vec<Tensor>>, VisionError> {
        let mut parts = vec![Vec::new(); pictures];
        for name in self.names() {
            let (shape, values) = self.get(name)?;
            if shape.first().is_none_or(|n| usize::try_from(*n).ok() != Some(pictures)) || values.is_empty() {
                return Err(output(self.model, format!("an output {name:?} of shape {shape:?} to {pictures} pictures")));
            }
            for (part, values) in parts.iter_mut().zip(values.chunks_exact(values.len() / pictures)) {
                let shape = [&[1], &shape[1..]].concat();
                part.push(Tensor { name: name.to_owned(), shape, values: values.to_vec() });
            }
        }
        Ok(parts)
    }

    fn names(&self) -> Vec<&str> {
        match &self.outputs {
            Outputs::Session(outputs) => outputs.keys().collect(),
            Outputs::Own(all) => all.iter().map(|t| t.name.as_str()).collect(),
        }
    }

    fn failed(&self, source: ort::Error) -> VisionError {
        VisionError::Run { model: self.model.into(), source }
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
        let (session, device) = build(&runtime, device, &bytes).map_err(failed)?;
        tracing::debug!(model = entry.name, digest = %entry.digest.short(), ?device, "model loaded");
        Ok(Self { name: entry.name.clone(), digest: entry.digest, device, session })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs on one picture of `[1, 3, height, width]`.
    pub(crate) fn run(&mut self, tensor: &[f32], height: usize, width: usize) -> Result<Answers<'_>, VisionError> {
        self.run_batch(tensor, 1, height, width)
    }

    fn run_batch(&mut self, tensor: &[f32], pictures: usize, height: usize, width: usize) -> Result<Answers<'_>, VisionError> {
        let failed = |source| VisionError::Run { model: self.name.clone(), source };
        let input = TensorRef::from_array_view(([pictures, 3, height, width], tensor)).map_err(failed)?;
        let began = Instant::now();
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        IN_MODELS.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or_default(), Ordering::Relaxed);
        Ok(Answers { model: &self.name, outputs: Outputs::Session(outputs) })
    }
}

/// A session and where it runs: on the CPU where the device that was wished for is not to be had.
fn build(runtime: &Runtime, device: Device, bytes: &[u8]) -> ort::Result<(Session, Device)> {
    if let Device::Cuda(number) = device {
        match on_cuda(runtime, number, bytes) {
            Ok(session) => return Ok((session, device)),
            Err(why) => tracing::warn!(%why, gpu = number, "no CUDA: the model runs on the CPU"),
        }
    }
    plain(runtime)?.commit_from_memory(bytes).map(|session| (session, Device::Cpu))
}

fn plain(runtime: &Runtime) -> ort::Result<SessionBuilder> {
    // One thread and no spinning: workers run in parallel, and spinning threads take the cores from each other.
    Ok(Session::builder(&runtime.environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?)
}

#[cfg(feature = "cuda")]
fn on_cuda(runtime: &Runtime, number: u32, bytes: &[u8]) -> Result<Session, String> {
    let device = i32::try_from(number).map_err(|_| format!("there is no GPU {number}"))?;
    let cuda = ort::ep::CUDA::default().with_device_id(device).build().error_on_failure();
    let mut builder = plain(runtime).map_err(|e| e.to_string())?.with_execution_providers([cuda]).map_err(|e| e.to_string())?;
    builder.commit_from_memory(bytes).map_err(|e| e.to_string())
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: &Runtime, _: u32, _: &[u8]) -> Result<Session, String> {
    Err("this program was built without the cargo feature `cuda`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names_and_nothing_else_is_one() {
        for (text, device) in [("cpu", Device::Cpu), ("cuda", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))] {
            assert_eq!(text.parse(), Ok(device));
        }
        for bad in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:+1", "cuda:99999999999", "cpu:0"] {
            assert_eq!(bad.parse::<Device>(), Err(DeviceError(bad.to_owned())));
        }
    }
}
