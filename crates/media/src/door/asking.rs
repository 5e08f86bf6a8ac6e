//! The requests that lead to a stream.

/// What leads to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    Describe,
    Setup,
    Play,
}

impl Asking {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "DESCRIBE" => Some(Self::Describe),
            "SETUP" => Some(Self::Setup),
            "PLAY" => Some(Self::Play),
            _ => None,
        }
    }
}
