//! Copies of a whole deployment: backups, the copy from before an upgrade, and the move into another database.

pub(crate) mod backup;
pub(crate) mod migrate;
pub(crate) mod restore;
pub(crate) mod upgrade;
