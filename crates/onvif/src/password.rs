//! What a device is shown a proof of.

use std::fmt;

/// Printed as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// User of ONVIF, which many cameras keep apart from others.
    pub user: String,
    /// In the clear, as it was given.
    pub password: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
