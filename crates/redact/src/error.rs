use crate::face::FaceFinderError;

/// Why a crop was dropped.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("faces could not be looked for, so the crop is not used")]
    Finder(#[from] FaceFinderError),
    #[error("the face finder answered with a box that is not finite, so the crop is not used")]
    FinderBox,
    #[error("the box of the subject or of a person is not finite, so the crop is not used")]
    SubjectBox,
    #[error("nothing of the subject is left once heads are erased")]
    NothingLeft,
}
