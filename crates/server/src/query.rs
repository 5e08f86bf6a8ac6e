//! What a search needs besides the index: an example picture as a vector, and which crops a case was given already.

pub(crate) mod handed_out;
pub(crate) mod picture;
