//! How work on a job ends, other than well.

use catalogue::CatalogueError;
use media::MediaError;
use pipeline::{FootageError, FootageSummary, SinkError};
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

    /// Nothing in the file says when its pictures were taken.
    pub(super) fn without_a_clock(path: &str) -> Self {
        Self::new(
            format!("{path}: a bare video stream has no clock: nothing in it says when its pictures were taken"),
            "state how many pictures a second the recorder took (--fps), or export it again as MP4 or MKV",
        )
    }

    /// Of a part that was looked at to its end: what there was to see and was not looked at, and times that are guesses.
    pub(super) fn of_segment(summary: &FootageSummary, left_out: &[String]) -> Option<Self> {
        let mut all: Vec<String> = Vec::new();
        if let Some(from) = summary.guessed {
            all.push(format!(
                "its clock starts again after {:.1} s, and how long it was away nobody can know: what comes after is dated as if it \
                 went on, an hour up or down",
                from.as_secs_f64()
            ));
        }
        if summary.unseen > 0 {
            let (are, lack) = if summary.unseen == 1 { ("picture was", "its") } else { ("pictures were", "their") };
            all.push(format!("{} {are} not looked at, for want of {lack} key picture", summary.unseen));
        }
        let tracks = Self::left_out(left_out);
        if all.is_empty() {
            return tracks;
        }
        all.extend(tracks.map(|tracks| tracks.message));
        let hint = match summary.guessed {
            Some(_) => "cut the file where its clock starts again, and add each piece with its own start",
            None => "the rest was looked at; where that matters, export the footage again from the recorder",
        };
        Some(Self::new(all.join("; "), hint))
    }

    /// Of a file with several streams of pictures.
    pub(super) fn left_out(streams: &[String]) -> Option<Self> {
        let message = format!("only its first stream of pictures was looked at; left out: {}", streams.join(", "));
        let hint = "export each of the others to a file of its own, and add that";
        (!streams.is_empty()).then(|| Self::new(message, hint))
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
