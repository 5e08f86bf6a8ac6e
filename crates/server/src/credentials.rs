//! Who can call and whose signature counts: certificates and grant keys are on the record before they are used.

pub(crate) mod authorities;
pub(crate) mod grant_keys;
pub(crate) mod known;
pub(crate) mod log_key;
pub(crate) mod offline;
