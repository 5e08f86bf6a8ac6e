use vision::{ModelStore, Vision, VisionOptions};

use super::error::{Outcome, models};

pub(crate) fn load_vision(options: &VisionOptions) -> Outcome<Vision> {
    Vision::load(&ModelStore::from_env().map_err(models)?, options).map_err(models)
}
