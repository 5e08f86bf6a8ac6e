use vision::{ModelStore, Vision, VisionOptions};

use crate::failure::{Failure, Outcome, library};

pub(super) fn load_vision(options: &VisionOptions) -> Outcome<Vision> {
    let fetch = |e: vision::VisionError| library("models", &e).hint("get the models with `sightline models fetch`");
    Vision::load(&ModelStore::from_env().map_err(fetch)?, options).map_err(fetch)
}

pub(super) fn failed(e: &(dyn std::error::Error + 'static)) -> Failure {
    library("evaluation", e)
}
