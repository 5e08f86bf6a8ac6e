//! Cases, what happens to them, and the marks that are kept with them.

pub(crate) mod call;
pub(crate) mod case;
pub(crate) mod event;
pub(crate) mod mark;
