use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};
use types::{IdError, TimeError};

const HINT: &str = "sightline-hint";
/// The header of the stable word for an error.
pub const REASON: &str = "sightline-reason";

/// Why a message means nothing; names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// The field must be there.
    #[error("{field} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// The number stands for no word of an enumeration.
    #[error("{field} names no {kind} this version knows ({value})")]
    Word {
        /// Its name.
        field: &'static str,
        /// What the words are.
        kind: &'static str,
        /// The number.
        value: i32,
    },
    /// The time is malformed or out of range.
    #[error("{field} is not a valid time")]
    Time {
        /// Its name.
        field: &'static str,
    },
    /// The duration is malformed or negative.
    #[error("{field} is not a valid duration; it must be at least 0")]
    Duration {
        /// Its name.
        field: &'static str,
    },
    /// The number is out of its range, or is none.
    #[error("{field} is not a number in its range")]
    Number {
        /// Its name.
        field: &'static str,
    },
    /// The window ends before it begins.
    #[error(transparent)]
    Window(#[from] TimeError),
    /// The text is no id.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl From<BadMessage> for Status {
    fn from(bad: BadMessage) -> Self {
        status(Code::InvalidArgument, &bad.to_string(), "bad_message", "")
    }
}

/// A status with the stable word for programs and, unless empty, what to do about it.
pub fn status(code: Code, message: &str, reason: &str, hint: &str) -> Status {
    let mut metadata = MetadataMap::new();
    for (key, text) in [(REASON, reason), (HINT, hint)] {
        if let Ok(value) = ascii(text).parse::<MetadataValue<_>>()
            && !text.is_empty()
        {
            metadata.insert(key, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}

/// What to do about an error, if the server said.
pub fn hint(status: &Status) -> Option<&str> {
    status.metadata().get(HINT)?.to_str().ok()
}

/// The stable word for an error, if the server gave one.
pub fn reason(status: &Status) -> Option<&str> {
    status.metadata().get(REASON)?.to_str().ok()
}

/// Metadata is ASCII on the wire.
fn ascii(text: &str) -> String {
    text.chars().take(1000).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_survives_the_status_whatever_its_letters() {
        let status = status(Code::NotFound, "no camera \"é\"", "unknown_camera", "list them: sightline camera list\né");
        assert_eq!(hint(&status), Some("list them: sightline camera list??"));
        assert_eq!(reason(&status), Some("unknown_camera"));
        assert_eq!(hint(&Status::internal("x")), None);
    }
}
