/// What the database of a catalogue in a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The newest change of its tables that was carried out.
    pub schema: i64,
    /// The newest that this version knows.
    pub newest: i64,
    /// Entries of the record.
    pub entries: u64,
    /// As in [`crate::Catalogue::last_change`].
    pub last_change: u64,
    pub sightings: u64,
}
