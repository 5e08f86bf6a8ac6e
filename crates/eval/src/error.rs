//! Why an evaluation has no answer.

use std::{error::Error, fmt};

/// What an evaluation, or a step of one, comes to.
pub(crate) type Outcome<T = ()> = Result<T, EvalError>;

/// Why an evaluation has no answer, and what to do about it. Its sources are the causes, the nearest first.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    reason: &'static str,
    message: String,
    hint: Option<&'static str>,
    #[source]
    cause: Option<Cause>,
}

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// The word for arguments that make no sense.
const USAGE: &str = "usage";

impl EvalError {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None, cause: None }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// `doing` is a bare verb phrase: "write tracks.txt".
    pub(crate) fn because(reason: &'static str, doing: impl fmt::Display, cause: impl Into<Cause>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(reason, format!("could not {doing}")) }
    }

    /// An error of another crate of ours, which says itself what is wrong.
    pub(crate) fn library(reason: &'static str, error: impl Into<Cause>) -> Self {
        let cause = error.into();
        Self { message: cause.to_string(), cause: Some(cause), ..Self::new(reason, "") }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// A stable word for programs.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }

    /// Whether the arguments make no sense, whatever they are about.
    pub fn is_usage(&self) -> bool {
        self.reason == USAGE
    }
}

/// Models that can't be had.
pub(crate) fn models(error: vision::VisionError) -> EvalError {
    EvalError::library("models", error).with_hint("get the models with `sightline models fetch`")
}

/// Anything else that should not happen.
pub(crate) fn failed(error: impl Into<Cause>) -> EvalError {
    EvalError::library("evaluation", error)
}

/// Footage that can't be read.
pub(crate) fn footage(error: media::MediaError) -> EvalError {
    EvalError::library("footage", error)
}
