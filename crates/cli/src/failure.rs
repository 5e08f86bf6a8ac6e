//! What went wrong, in the form people and programs get it: `error:`, `hint:`, an exit code and a stable word.

use std::{error::Error, fmt};

use tonic::{Code, Status};

/// A command's result. What it has to say it has printed; what went wrong is printed once, by `main`.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The exit codes, documented in `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command was understood and could not be done, or found something wrong.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
}

/// An error message that says what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// What made it fail, the nearest first; never repeats the message.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// A stable word for programs.
    pub(crate) reason: String,
    pub(crate) exit: Exit,
}

impl Failure {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None, reason: reason.into(), exit: Exit::Failed }
    }

    /// The command line itself is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new("usage", message) }
    }

    /// `doing` is a bare verb phrase: "write contact.png".
    pub(crate) fn because(reason: &str, doing: impl fmt::Display, cause: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(reason, format!("could not {doing}"));
        failure.causes = chain(cause);
        failure
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts another message in front; the old one becomes the nearest cause.
    #[must_use]
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, old);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.message, "causes": self.causes, "hint": self.hint, "reason": self.reason })
    }
}

/// An error of a library of ours: its message, then its sources.
pub(crate) fn library(reason: &str, error: &(dyn Error + 'static)) -> Failure {
    let mut lines = chain(error);
    let message = if lines.is_empty() { reason.to_owned() } else { lines.remove(0) };
    Failure { causes: lines, ..Failure::new(reason, message) }
}

/// The error, then what made it.
pub(crate) fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}

/// The messages of an error and of its sources, without those that only repeat the one before.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for e in sources(error) {
        let line = e.to_string();
        if lines.last().is_none_or(|last| !last.contains(&line)) {
            lines.push(line);
        }
    }
    lines
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

    #[test]
    fn a_cause_that_repeats_its_parent_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("read pki: no such file")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("no such file")]
        struct Inner;
        assert_eq!(chain(&Outer(Inner)), ["read pki: no such file"]);
    }
}
