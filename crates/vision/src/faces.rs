//! CenterFace (Xu et al., 2019), asked only where faces are. Its landmarks output is never read.

use redact::{FaceFinder, FaceFinderError, FoundFace};
use types::{ModelDigest, RawCrop, Rect};

use crate::{
    error::VisionError,
    letterbox::{Layout, Letterbox, Rgb},
    manifest::Role,
    session::{Device, Model, output},
    store::ModelStore,
};

/// Low: a wrong face costs a patch of clothing, a missed one shows a face.
const THRESHOLD: f32 = 0.2;
const OVERLAP: f32 = 0.3;
const STRIDE: usize = 4;
/// A picture with more is not a picture of faces; the best are kept.
const MOST: usize = 200;

/// Finds faces to erase them.
pub struct CenterFace {
    model: Model,
    boxed: Letterbox,
}

impl std::fmt::Debug for CenterFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CenterFace({:?})", self.model)
    }
}

impl CenterFace {
    /// With the model `name`, else the manifest's default.
    ///
    /// # Errors
    /// [`VisionError`] where the model is not in the manifest, missing, not what the manifest says, or can't be made
    /// a session.
    pub fn load(store: &ModelStore, name: Option<&str>) -> Result<Self, VisionError> {
        let model = Model::load(store, store.choose(name, Role::FaceFinder)?, Device::Cpu)?;
        Ok(Self { model, boxed: Letterbox::default() })
    }

    /// Of the model's file.
    pub fn digest(&self) -> ModelDigest {
        self.model.digest
    }

    /// Like [`FaceFinder::find`].
    ///
    /// # Errors
    /// [`VisionError::Run`] where the model fails; [`VisionError::Output`] where its answer does not fit.
    pub fn faces(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, VisionError> {
        let Some(rgb) = Rgb::new(picture.rgb(), picture.size()) else { return Ok(Vec::new()) };
        let layout = layout(picture.size().width, picture.size().height);
        let scale = self.boxed.rgb(rgb, &layout);
        let answers = self.model.run(&self.boxed.tensor, layout.height, layout.width)?;
        let (heat, sizes, offsets) = (answers.get("heatmap")?.1, answers.get("scale")?.1, answers.get("offset")?.1);
        let (rows, columns) = (layout.height / STRIDE, layout.width / STRIDE);
        let mut found = decode(heat, sizes, offsets, rows, columns)
            .ok_or_else(|| output(answers.name(), format!("tensors that do not fit {columns}x{rows} cells")))?;
        for face in &mut found {
            let b = face.bbox;
            face.bbox = Rect::new(b.x / scale.x, b.y / scale.y, b.width / scale.x, b.height / scale.y);
        }
        Ok(found)
    }
}

impl FaceFinder for CenterFace {
    fn find(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        self.faces(picture).map_err(|error| FaceFinderError(Box::new(error)))
    }
}

/// The shorter side at 128 and the longer at most 320, in multiples of 32: a head part fills 128x128 as the model was
/// measured, a whole figure gets enough pixels for its face. A long picture is enlarged twice at most, which shows the model
/// every face worth the name; more would cost and tell nothing.
fn layout(width: u32, height: u32) -> Layout {
    let (long, short) = (width.max(height), width.min(height));
    let side = |v: f32, least: f32| ((v / 32.0).round().clamp(least, 10.0) * 32.0) as usize;
    let square = long as f32 / short as f32 * 4.0 < 4.5;
    let narrow = if square { 128 } else { (short * 2).div_ceil(32).clamp(2, 4) as usize * 32 };
    let wide = side(narrow as f32 * long as f32 / short as f32, narrow as f32 / 32.0);
    let (h, w) = if height >= width { (wide, narrow) } else { (narrow, wide) };
    Layout { height: h, width: w, bgr: false, mean: [0.0; 3], std: [1.0; 3], pad: 110.0, stretch: false }
}

/// `heat` is `[rows, columns]`, the others `[2, rows, columns]` as y, x; boxes in pixels of the tensor, doubles removed.
/// `None` where a length is wrong or a heat is not a number: then nobody can say that there is no face.
fn decode(heat: &[f32], sizes: &[f32], offsets: &[f32], rows: usize, columns: usize) -> Option<Vec<FoundFace>> {
    let cells = rows * columns;
    if heat.len() != cells || sizes.len() != 2 * cells || offsets.len() != 2 * cells || heat.iter().any(|h| h.is_nan()) {
        return None;
    }
    let mut found = Vec::new();
    for (i, &score) in heat.iter().enumerate().filter(|(_, h)| **h > THRESHOLD) {
        let side = |v: f32| v.exp() * STRIDE as f32;
        let (h, w) = (side(sizes[i]), side(sizes[cells + i]));
        let centre = |at: usize, offset: f32| (at as f32 + offset + 0.5) * STRIDE as f32;
        let (y, x) = (centre(i / columns, offsets[i]), centre(i % columns, offsets[cells + i]));
        if ![h, w, y, x].iter().all(|v| v.is_finite() && v.abs() < 1e5) {
            return None;
        }
        found.push(FoundFace { bbox: Rect::new(x - w / 2.0, y - h / 2.0, w, h), score: score.min(1.0) });
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<FoundFace> = Vec::new();
    for face in found {
        if kept.len() < MOST && kept.iter().all(|k| k.bbox.iou(&face.bbox) <= OVERLAP) {
            kept.push(face);
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_part_is_searched_at_the_size_the_model_was_measured_at() {
        assert_eq!((layout(60, 62).height, layout(60, 62).width), (128, 128));
        assert_eq!((layout(70, 182).height, layout(70, 182).width), (320, 128));
        assert_eq!((layout(48, 96).height, layout(48, 96).width), (192, 96));
        assert_eq!((layout(4000, 3).height, layout(4000, 3).width), (64, 320));
    }

    #[test]
    fn a_peak_becomes_a_box_around_its_cell() {
        let (mut heat, sizes, offsets) = (vec![0.0; 16], vec![0.0; 32], vec![0.0; 32]);
        heat[5] = 0.9;
        let found = decode(&heat, &sizes, &offsets, 4, 4).unwrap();
        assert_eq!(found, [FoundFace { bbox: Rect::new(4.0, 4.0, 4.0, 4.0), score: 0.9 }]);
    }

    proptest! {
        #[test]
        fn an_answer_that_makes_no_sense_is_no_answer(
            at in 0usize..16, bad in prop_oneof![Just(f32::NAN), Just(f32::INFINITY)], which in 0usize..2,
        ) {
            let mut tensors = [vec![0.5; 16], vec![0.0; 32]];
            tensors[which][at] = bad;
            let [heat, sizes] = tensors;
            // An infinite heat is a face for sure; everything else that is not finite is an error.
            let sane = which == 0 && bad.is_infinite();
            prop_assert_eq!(decode(&heat, &sizes, &[0.0; 32], 4, 4).is_some(), sane);
            prop_assert!(decode(&heat[1..], &sizes, &[0.0; 32], 4, 4).is_none());
        }
    }
}
