use std::{io, path::PathBuf};

use pipeline::SpoolError;
use vision::VisionError;

/// Why a worker can't start. Once it runs, a server that is away is no error: it tries again.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The folder of the spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The models.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// GStreamer, or the processes that decode.
    #[error("start decoders")]
    Media(#[from] media::MediaError),
    /// A file that the options name.
    #[error("read {}", file.display())]
    Read {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// As it was given.
    #[error("{0:?} is not the address of a server")]
    Address(String),
    /// A panic, which the log shows.
    #[error("a thread ended unexpectedly")]
    Thread,
}

impl WorkerError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Spool(SpoolError::InUse(_)) => "one worker a home folder: stop the other, or give this one a folder of its own",
            Self::Spool(_) => "check the disk and that you may write to the home folder",
            Self::Vision(error) => error.hint().unwrap_or("run `sightline models verify`"),
            Self::Media(media::MediaError::NoCell { .. }) => "docs/operations.md, \"Decoders\", says what they need",
            Self::Media(_) => "install GStreamer and its plugins; docs say which",
            Self::Read { .. } => {
                "make an identity for the worker: `sightline identity add NAME --role ingest --agency A --out DIR`"
            }
            Self::Address(_) => "give it as host:port, such as 127.0.0.1:7443",
            Self::Thread => "look at the log",
        }
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
