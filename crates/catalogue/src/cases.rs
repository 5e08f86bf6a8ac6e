//! Cases with what searches took from their budgets, what happens to them, their marks and the legal holds under them.

pub(crate) mod case;
pub(crate) mod event;
pub(crate) mod hold;
pub(crate) mod mark;
pub(crate) mod spent;
pub(crate) mod stored;
