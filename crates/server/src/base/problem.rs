//! What is told somebody who asked for something that is not done: what is wrong, a stable word for it, and what to do.

/// Why something that was asked for is not done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// A stable word, for programs.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// What to do, for people.
    pub(crate) hint: &'static str,
}

/// What sort of problem it is. The edge says it in the words of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was sent can't be used.
    Invalid,
    /// It is there already.
    Exists,
    /// Not as things are now.
    State,
    /// Too much of it.
    TooMany,
    /// What it takes does not answer.
    Away,
    /// It is no fault of whoever asked.
    Internal,
}

impl Problem {
    pub(crate) fn new(kind: Kind, reason: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self { kind, reason, message: message.into(), hint }
    }

    pub(crate) fn invalid(reason: &'static str, message: impl Into<String>, hint: &'static str) -> Self {
        Self::new(Kind::Invalid, reason, message, hint)
    }
}
