use types::ModelDigest;

/// What an index holds: vectors of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSpec {
    /// Which model makes its appearance vectors.
    pub model: ModelDigest,
    /// Values of an appearance vector.
    pub appearance_len: usize,
}
