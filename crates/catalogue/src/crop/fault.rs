use std::fmt;

/// What is wrong with a store of crops that is not a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropFault {
    Away,
    NoBucket,
    Credentials,
    Refused,
    Clock,
    KeepsVersions,
    Failed,
}

impl fmt::Display for CropFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "can't be reached",
            Self::NoBucket => "is not there",
            Self::Credentials => "does not take our credentials",
            Self::Refused => "refuses us",
            Self::Clock => "says that this machine's clock is wrong",
            Self::KeepsVersions => "keeps what is deleted, as old versions",
            Self::Failed => "failed",
        })
    }
}

impl CropFault {
    /// What to do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Away => "is it up, and are crops.endpoint and crops.region right?",
            Self::NoBucket => "make the bucket, or correct crops.url",
            Self::Credentials => {
                "put the right ones into the file that crops.credentials names, or into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            Self::Refused => "let this account read, write, list and delete objects there",
            Self::Clock => "set the clock; requests that are minutes off are not taken",
            Self::KeepsVersions => {
                "turn versioning and object locks of the bucket off, or use another: what has expired must be gone"
            }
            Self::Failed => "look at what the store says of itself, then try again",
        }
    }
}
