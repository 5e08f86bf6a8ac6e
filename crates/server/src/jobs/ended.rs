//! How work on a job ends, other than well.

use catalogue::CatalogueError;
use media::MediaError;
use pipeline::{FootageError, SinkError};
use types::Chain;

use crate::recorders::RecorderError;

/// Why a job failed, as it is stored and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobFailure {
    pub(crate) message: String,
    pub(crate) hint: String,
}

pub(super) enum Ended {
    Cancelled,
    /// The store was away, busy or full. What is done stays done; the rest waits.
    PutDown(String),
    /// The recorder does not answer, or stopped. What is done stays done; the rest is asked for again.
    Away(JobFailure),
    Failed(JobFailure),
}

impl From<JobFailure> for Ended {
    fn from(failure: JobFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<CatalogueError> for Ended {
    fn from(error: CatalogueError) -> Self {
        if error.may_pass() {
            return Self::PutDown(Chain(&error).to_string());
        }
        let hint = error.hint().unwrap_or("check the server's disk, then add the footage again");
        JobFailure::new(Chain(&error).to_string(), hint).into()
    }
}

impl From<FootageError> for Ended {
    fn from(error: FootageError) -> Self {
        match error {
            FootageError::Cancelled => Self::Cancelled,
            FootageError::Media(media) => JobFailure::of_media(&media).into(),
            FootageError::Scene(_) => JobFailure::new(Chain(&error).to_string(), "run `sightline models verify`").into(),
            FootageError::Sink(SinkError(cause)) => match cause.downcast::<CatalogueError>() {
                Ok(stored) => (*stored).into(),
                Err(other) => {
                    JobFailure::new(Chain(&*other).to_string(), "check the server's disk, then add the footage again").into()
                }
            },
        }
    }
}

impl From<RecorderError> for Ended {
    fn from(error: RecorderError) -> Self {
        let failure = JobFailure::new(Chain(&error).to_string(), error.hint());
        if error.may_pass() { Self::Away(failure) } else { Self::Failed(failure) }
    }
}

impl JobFailure {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    /// These say what is wrong and, after the last semicolon, what to do.
    pub(crate) fn of_media(error: &MediaError) -> Self {
        let text = Chain(error).to_string();
        match text.rsplit_once("; ") {
            Some((message, hint)) => Self::new(message, hint),
            None => Self::new(text, ""),
        }
    }

    pub(super) fn to_text(&self) -> String {
        format!("{}\n{}", self.message.replace('\n', " "), self.hint)
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let (message, hint) = text.split_once('\n').unwrap_or((text, ""));
        Self::new(message, hint)
    }
}
