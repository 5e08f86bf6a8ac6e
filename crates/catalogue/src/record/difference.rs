/// A row that is not what the record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDifference {
    /// What it is about: an entry, a case, a certificate or a camera.
    pub subject: String,
    pub message: String,
}
