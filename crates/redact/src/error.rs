use crate::face::FaceFinderError;

/// Why a crop was dropped.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The model that finds faces failed.
    #[error("faces could not be looked for, so the crop is not used")]
    Finder(#[from] FaceFinderError),
    /// A box of a face has a side that is infinite or not a number.
    #[error("the face finder answered with a box that is not finite, so the crop is not used")]
    FinderBox,
    /// A box in [`crate::Subject`] has a side that is infinite or not a number.
    #[error("the box of the subject or of a person is not finite, so the crop is not used")]
    SubjectBox,
    /// Heads and faces cover all of what would be stored.
    #[error("nothing of the subject is left once heads are erased")]
    NothingLeft,
}
