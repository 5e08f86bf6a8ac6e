//! What is measured of a crop before anything is learned: backbone features and colours, each as a unit vector.

use redact::RedactedCrop;
use types::{ModelDigest, Size};

use super::{bands, recipe::Recipe, scale::scale_to, stripes};
use crate::{
    error::VisionError,
    letterbox::{Layout, Letterbox, Rgb},
    manifest::Role,
    session::{Device, Model, output},
    silhouette::{Silhouette, Silhouettes},
    store::ModelStore,
};

const LAYOUT: Layout = Layout { height: 256, width: 128, bgr: false, mean: [0.0; 3], std: [1.0; 3], pad: 0.0, stretch: true };

/// The two parts of one crop's appearance; unit vectors, or zeros where a crop shows nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct AppearanceParts {
    /// As many values as the backbone answers.
    pub backbone: Vec<f32>,
    /// Colours of the figure by bands from top to bottom, scaled to length one.
    pub colour: Vec<f32>,
}

/// Makes [`AppearanceParts`]: the models' sessions and their buffers.
pub struct PartsFinder {
    model: Model,
    silhouettes: Silhouettes,
    boxed: Letterbox,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for PartsFinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartsFinder({:?})", self.model)
    }
}

impl PartsFinder {
    /// With the backbone `name`, else the manifest's default.
    ///
    /// # Errors
    /// [`VisionError`] where a model is not in the manifest, missing, not what the manifest says, or can't be made a
    /// session.
    pub fn load(store: &ModelStore, name: Option<&str>) -> Result<Self, VisionError> {
        let model = Model::load(store, store.choose(name, Role::Embedder)?, Device::Cpu)?;
        Ok(Self { model, silhouettes: Silhouettes::load(store)?, boxed: Letterbox::default(), pixels: Vec::new() })
    }

    /// Of the backbone's file.
    pub fn backbone(&self) -> ModelDigest {
        self.model.digest
    }

    /// Of the file of the model that tells figures from their surroundings.
    pub(super) fn silhouettes(&self) -> ModelDigest {
        self.silhouettes.digest()
    }

    pub(super) fn name(&self) -> &str {
        self.model.name()
    }

    /// What of the crop is its figure.
    ///
    /// # Errors
    /// [`VisionError::Run`] and [`VisionError::Output`] of the model for figures.
    pub fn see(&mut self, crop: &RedactedCrop) -> Result<Silhouette, VisionError> {
        self.silhouettes.of(crop)
    }

    /// Both parts of the crop's subject, each of length one.
    ///
    /// # Errors
    /// [`VisionError::Run`] and [`VisionError::Output`] of either model.
    pub fn of(&mut self, crop: &RedactedCrop) -> Result<AppearanceParts, VisionError> {
        let seen = self.see(crop)?;
        self.by(Recipe::NOW, crop, &seen)
    }

    /// As a recipe has it. `seen` is this crop's.
    pub(super) fn by(&mut self, recipe: Recipe, crop: &RedactedCrop, seen: &Silhouette) -> Result<AppearanceParts, VisionError> {
        let colour = match recipe {
            Recipe::Five => stripes::of(crop),
            Recipe::Six => bands::unexposed(crop, seen),
            Recipe::Seven => bands::of(crop, seen),
        };
        self.with(crop, colour)
    }

    fn with(&mut self, crop: &RedactedCrop, colour: Vec<f32>) -> Result<AppearanceParts, VisionError> {
        let size = self.subject(crop);
        let Some(picture) = Rgb::new(&self.pixels, size) else { return Err(output(self.model.name(), "an empty crop".into())) };
        self.boxed.rgb(picture, &LAYOUT);
        let answers = self.model.run(&self.boxed.tensor, LAYOUT.height, LAYOUT.width)?;
        let features = answers.first()?.1;
        if features.is_empty() || features.iter().any(|v| !v.is_finite()) {
            return Err(output(answers.name(), format!("{} values that are not all finite", features.len())));
        }
        let mut parts = AppearanceParts { backbone: features.to_vec(), colour };
        scale_to(&mut parts.backbone, 1.0);
        scale_to(&mut parts.colour, 1.0);
        Ok(parts)
    }

    /// Cuts the subject's box out of the crop into `self.pixels`.
    fn subject(&mut self, crop: &RedactedCrop) -> Size {
        let (r, size) = (crop.subject(), crop.size());
        let (x0, y0) = (r.x.floor() as usize, r.y.floor() as usize);
        let (x1, y1) =
            ((r.right().ceil() as usize).min(size.width as usize), (r.bottom().ceil() as usize).min(size.height as usize));
        let stride = size.width as usize * 3;
        self.pixels.clear();
        for y in y0..y1 {
            self.pixels.extend_from_slice(&crop.rgb()[y * stride + x0 * 3..y * stride + x1 * 3]);
        }
        Size { width: (x1.saturating_sub(x0)) as u32, height: (y1.saturating_sub(y0)) as u32 }
    }
}
