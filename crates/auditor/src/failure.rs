//! What went wrong, in the form people and programs get it: `error:`, `hint:`, an exit code and a stable word.

use std::{error::Error, fmt};

/// A command's result. What it has to say it has printed; what went wrong is printed once, by the program.
pub type Outcome<T = ()> = Result<T, Failure>;

/// The exit codes, documented in `docs/cli.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The command was understood and could not be done, or found something wrong.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
}

/// An error message that says what to do next.
#[derive(Debug)]
pub struct Failure {
    /// What could not be done.
    pub message: String,
    /// What made it fail, the nearest first; never repeats the message.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// A stable word for programs.
    pub reason: String,
    /// What the program ends with.
    pub exit: Exit,
}

impl Failure {
    /// With a stable word for programs.
    pub fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), hint: None, reason: reason.into(), exit: Exit::Failed }
    }

    /// The command line itself is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new("usage", message) }
    }

    /// `doing` is a bare verb phrase: "write contact.png".
    pub fn because(reason: &str, doing: impl fmt::Display, cause: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(reason, format!("could not {doing}"));
        failure.causes = chain(cause);
        failure
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts another message in front; the old one becomes the nearest cause.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, old);
        self
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": self.message, "causes": self.causes, "hint": self.hint, "reason": self.reason })
    }
}

/// An error of a library of ours: its message, then its sources.
pub fn library(reason: &str, error: &(dyn Error + 'static)) -> Failure {
    let mut lines = chain(error);
    let message = if lines.is_empty() { reason.to_owned() } else { lines.remove(0) };
    Failure { causes: lines, ..Failure::new(reason, message) }
}

/// The error, then what made it.
pub fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e| (*e).source())
}

/// The messages of an error and of its sources, without those that only repeat the one before.
pub fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for e in sources(error) {
        let line = e.to_string();
        if lines.last().is_none_or(|last| !last.contains(&line)) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

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
