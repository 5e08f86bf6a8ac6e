//! What went wrong, as `auditor` has it, and what a server says of it.

use std::{
    error::Error,
    fmt,
    ops::{Deref, DerefMut},
};

pub(crate) use auditor::failure::sources;
use auditor::failure::{self as shown, chain};
use tonic::{Code, Status};

/// A command's result. What it has to say it has printed; what went wrong is printed once, by `main`.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// An error message that says what to do next. A type of its own, so that the status of a server becomes one.
#[derive(Debug)]
pub(crate) struct Failure(shown::Failure);

impl Deref for Failure {
    type Target = shown::Failure;

    fn deref(&self) -> &shown::Failure {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut shown::Failure {
        &mut self.0
    }
}

impl From<shown::Failure> for Failure {
    fn from(failure: shown::Failure) -> Self {
        Self(failure)
    }
}

impl Failure {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Self {
        shown::Failure::new(reason, message).into()
    }

    /// The command line itself is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        shown::Failure::usage(message).into()
    }

    /// `doing` is a bare verb phrase: "write contact.png".
    pub(crate) fn because(reason: &str, doing: impl fmt::Display, cause: &(dyn Error + 'static)) -> Self {
        shown::Failure::because(reason, doing, cause).into()
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.0.hint(hint).into()
    }

    /// Puts another message in front; the old one becomes the nearest cause.
    #[must_use]
    pub(crate) fn message(self, message: impl Into<String>) -> Self {
        self.0.message(message).into()
    }

    /// Its parts.
    pub(crate) fn into_inner(self) -> shown::Failure {
        self.0
    }
}

/// An error of a library of ours: its message, then its sources.
pub(crate) fn library(reason: &str, error: &(dyn Error + 'static)) -> Failure {
    shown::library(reason, error).into()
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = proto::reason(&status).map_or_else(|| code_word(status.code()).to_owned(), str::to_owned);
        let message = match status.message() {
            "" => format!("the server answered {}", code_word(status.code())),
            text => text.to_owned(),
        };
        let mut failure = Self::new(&reason, message);
        failure.hint = proto::hint(&status).map(str::to_owned).or_else(|| default_hint(status.code()).map(str::to_owned));
        if let Some(source) = status.source() {
            failure.causes = chain(source).into_iter().filter(|line| *line != failure.message).collect();
        }
        failure
    }
}

/// The name of a gRPC code, as `grpcurl` and the protocol's comments write it, in lower case.
pub(crate) fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// For a server that gave no hint of its own.
fn default_hint(code: Code) -> Option<&'static str> {
    match code {
        Code::Unavailable => Some("the server may have stopped; look at its terminal, or start it with `sightline serve`"),
        Code::Unimplemented => Some("the server is of another version than this `sightline`"),
        Code::Unauthenticated => Some("use an identity of this deployment: `--as NAME`"),
        Code::Internal | Code::DataLoss => Some("the server's log says more; `sightline check` compares what it stores"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_keeps_the_reason_and_the_hint_of_the_server() {
        let status = proto::status(Code::PermissionDenied, "the case is closed", "case_closed", "open another case");
        let failure = Failure::from(status);
        assert_eq!(failure.message, "the case is closed");
        assert_eq!(failure.reason, "case_closed");
        assert_eq!(failure.hint.as_deref(), Some("open another case"));
        assert_eq!(failure.exit as u8, 1);
    }

    #[test]
    fn a_status_without_words_still_says_something() {
        let failure = Failure::from(Status::new(Code::Internal, ""));
        assert_eq!(failure.message, "the server answered internal");
        assert!(failure.hint.is_some());
    }
}
