use std::fmt;

use types::ModelDigest;

use super::{Answers, Device, Model, batch::Shared};
use crate::error::VisionError;

/// A model of one's own, or one shared with others.
pub(crate) enum Runner {
    Own(Model),
    Shared(Shared),
}

impl Runner {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Own(model) => model.name(),
            Self::Shared(shared) => shared.name(),
        }
    }

    pub(crate) fn digest(&self) -> ModelDigest {
        match self {
            Self::Own(model) => model.digest,
            Self::Shared(shared) => shared.digest(),
        }
    }

    /// Where it runs, which need not be where it was wished for.
    pub(crate) fn device(&self) -> Device {
        match self {
            Self::Own(model) => model.device,
            Self::Shared(shared) => shared.device(),
        }
    }

    pub(crate) fn run(&mut self, tensor: &[f32], height: usize, width: usize) -> Result<Answers<'_>, VisionError> {
        match self {
            Self::Own(model) => model.run(tensor, height, width),
            Self::Shared(shared) => shared.run(tensor, height, width),
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({}, {:?})", self.name(), self.digest())
    }
}
