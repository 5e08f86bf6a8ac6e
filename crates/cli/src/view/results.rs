//! What searches find.

pub(crate) mod hit;
pub(crate) mod looking;
