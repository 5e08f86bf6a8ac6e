//! Who can call and whose signature counts: certificates and grant keys, issued here and put on the record before they are used.

pub(crate) mod authorities;
pub(crate) mod error;
pub(crate) mod grant_keys;
pub(crate) mod identities;
pub(crate) mod init;
pub(crate) mod known;
pub(crate) mod rotate;
