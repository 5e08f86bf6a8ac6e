use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a case may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To find somebody who is lost and may be in danger.
    MissingPerson,
    /// To clear up a serious incident.
    SeriousIncident,
    /// To find people after a disaster.
    Disaster,
}

impl Purpose {
    /// Every purpose, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::MissingPerson, Self::SeriousIncident, Self::Disaster];

    /// The word on the wire, in grants and on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingPerson => "missing_person",
            Self::SeriousIncident => "serious_incident",
            Self::Disaster => "disaster",
        }
    }

    /// Whether a search may ask for stature: it finds a small child, and is close to a trait otherwise.
    pub const fn allows_stature(self) -> bool {
        matches!(self, Self::MissingPerson)
    }

    /// Whether a search may go on while somebody listens: it finds who is lost, and would be an alert otherwise.
    pub const fn allows_keep_looking(self) -> bool {
        matches!(self, Self::MissingPerson)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a purpose; the purposes are missing_person, serious_incident, disaster")]
pub struct UnknownPurpose(String);

impl FromStr for Purpose {
    type Err = UnknownPurpose;
    fn from_str(word: &str) -> Result<Self, UnknownPurpose> {
        Self::ALL.into_iter().find(|p| p.as_str() == word).ok_or_else(|| UnknownPurpose(word.chars().take(40).collect()))
    }
}
