use types::ModelDigest;

/// What an index holds: vectors of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSpec {
    pub model: ModelDigest,
    /// Values of an appearance vector.
    pub appearance_len: usize,
}
