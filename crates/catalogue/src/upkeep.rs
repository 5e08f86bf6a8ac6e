//! What keeps a catalogue right: checks and repairs, the deletion of what is due, and the move to another database.

pub(crate) mod check;
pub(crate) mod migrate;
pub(crate) mod retention;
