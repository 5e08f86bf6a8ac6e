use types::{RawCrop, Rect};

/// A face, found only to be erased.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundFace {
    /// In pixels of the picture that was searched; may reach over its border.
    pub bbox: Rect,
    /// 0..1.
    pub score: f32,
}

/// The face finder could not answer: the crop must not be used.
#[derive(Debug, thiserror::Error)]
#[error("find faces")]
pub struct FaceFinderError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Finds faces so that they can be erased. This is a trait so that the model can live elsewhere and tests can bring
/// their own; an implementation returns boxes and nothing else about a face.
pub trait FaceFinder {
    /// Faces in the picture; called with the head part of each figure and with the whole crop.
    ///
    /// # Errors
    /// The model did not answer; the crop is then dropped.
    fn find(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError>;
}

impl<F: FaceFinder + ?Sized> FaceFinder for &mut F {
    fn find(&mut self, picture: &RawCrop) -> Result<Vec<FoundFace>, FaceFinderError> {
        (**self).find(picture)
    }
}
