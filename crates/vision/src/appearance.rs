//! How a figure looks, as one unit vector: backbone features of four horizontal stripes, and light-discounted colour
//! histograms of the same kind of stripes. Only ever made from a [`RedactedCrop`]; erased regions take no part in the
//! colours and are one flat patch to the backbone.

mod stripes;

use redact::RedactedCrop;
use sha2::{Digest, Sha256};
use types::{Embedding, ModelDigest, Size};

use crate::{
    error::VisionError,
    letterbox::{Layout, Letterbox, Rgb},
    manifest::Role,
    session::{Device, Model, output},
    store::ModelStore,
};

/// Names everything between the crop and the vector but the backbone's weights. Change it with any change of a constant
/// or a step: vectors of two recipes must never be compared.
const RECIPE: &str = "sightline appearance 3";

/// Shares of the two parts: their similarities are weighed by the squares. Across cameras colour is worth more: on the two
/// actors of pose2sim the backbone alone orders .58 of the pairs right, the colours
/// alone .934, this mix .928; on the man of the CAVIAR pair they rank first .29, .71 and .67.
const BACKBONE: f32 = 0.35;
const COLOUR: f32 = 1.0;

const BACKBONE_LEN: usize = 384;
const LAYOUT: Layout = Layout { height: 256, width: 128, bgr: false, mean: [0.0; 3], std: [1.0; 3], pad: 0.0, stretch: true };

/// Makes appearance vectors.
pub struct Embedder {
    model: Model,
    digest: ModelDigest,
    boxed: Letterbox,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Embedder({:?}, {:?})", self.model, self.digest)
    }
}

impl Embedder {
    pub fn load(store: &ModelStore, name: Option<&str>) -> Result<Self, VisionError> {
        let model = Model::load(store, store.choose(name, Role::Embedder)?, Device::Cpu)?;
        let digest = ModelDigest(Sha256::new().chain_update(model.digest.0).chain_update(RECIPE).finalize().into());
        Ok(Self { model, digest, boxed: Letterbox::default(), pixels: Vec::new() })
    }

    /// Of the whole recipe: the backbone's weights and every step around them.
    pub fn digest(&self) -> ModelDigest {
        self.digest
    }

    /// Values of a vector.
    pub fn len(&self) -> usize {
        BACKBONE_LEN + stripes::LEN
    }

    /// Never: a recipe has values.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The appearance of the crop's subject.
    pub fn embed(&mut self, crop: &RedactedCrop) -> Result<Embedding, VisionError> {
        let size = self.subject(crop);
        let layout = LAYOUT;
        let Some(picture) = Rgb::new(&self.pixels, size) else { return Err(output(self.model.name(), "an empty crop".into())) };
        self.boxed.rgb(picture, &layout);
        let answers = self.model.run(&self.boxed.tensor, layout.height, layout.width)?;
        let features = answers.first()?.1;
        if features.len() != BACKBONE_LEN || features.iter().any(|v| !v.is_finite()) {
            return Err(output(answers.name(), format!("{} values, not {BACKBONE_LEN} finite ones", features.len())));
        }
        let mut values = features.to_vec();
        scale_to(&mut values, BACKBONE);
        let mut colour = stripes::of(crop);
        scale_to(&mut colour, COLOUR);
        values.extend(colour);
        scale_to(&mut values, 1.0);
        Ok(Embedding { model: self.digest, values })
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

/// Scales to a norm; a vector of nothing stays.
fn scale_to(values: &mut [f32], norm: f32) {
    let now = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    if now > 1e-9 {
        values.iter_mut().for_each(|v| *v *= norm / now);
    }
}
