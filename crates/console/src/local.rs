//! What only the person's own machine may do, whoever the server is.

use std::{future::Future, pin::Pin};

use serde_json::{Value, json};

/// What was not done, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word for programs.
    pub reason: String,
    /// What was not done, for people.
    pub message: String,
    /// What to do about it; empty: nothing.
    pub hint: String,
}

impl Refusal {
    pub(crate) fn json(&self) -> Value {
        json!({ "reason": self.reason, "message": self.message, "hint": self.hint })
    }
}

/// The person's keys, and what is believed on their machine. The page has neither.
pub trait Local: std::fmt::Debug + Send + Sync {
    /// The name of the identity that calls.
    fn identity(&self) -> &str;

    /// The log's verifier key as this machine knows it, `name+id+key`; `None` where it knows none.
    fn log_key(&self) -> Option<String>;

    /// What the bytes of a grant say: an encoded `sightline.v1.Case`.
    ///
    /// # Errors
    /// They are no grant, or one of another case.
    fn read_grant(&self, case: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal>;

    /// The person's Ed25519 signature over these bytes, 64 bytes. Called only with bytes that [`Self::read_grant`] has read.
    ///
    /// # Errors
    /// As above, and a person who has no key to sign with.
    fn sign_grant(&self, case: &str, grant: &[u8]) -> Result<Vec<u8>, Refusal>;

    /// Whether an export, a ZIP file, is as it left the server: what was checked, for the page to show.
    ///
    /// # Errors
    /// It is not, or this machine knows no log to hold it against.
    fn check_export(&self, zip: &[u8]) -> Result<Value, Refusal>;

    /// Why the server ended the connection, if it is the person's certificate.
    fn turned_away(&self) -> Pin<Box<dyn Future<Output = Option<Refusal>> + Send + '_>>;
}
