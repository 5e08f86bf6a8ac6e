//! What a device is shown a proof of.

use std::fmt;

/// Printed as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
