use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Budgets, PublicKey};

/// Why a case may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    MissingPerson,
    SeriousIncident,
    Disaster,
}

impl Purpose {
    pub const ALL: [Self; 3] = [Self::MissingPerson, Self::SeriousIncident, Self::Disaster];

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

/// The most that a case of one purpose may cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub window: Duration,
    /// From opening to expiry.
    pub duration: Duration,
    /// Cameras in scope, those of whole agencies counted.
    pub cameras: usize,
    pub budgets: Budgets,
    /// Hits of one search.
    pub results_per_search: u32,
}

const HOUR: u64 = 3600;

impl Limits {
    /// Strict on purpose: a deployment may set other limits, and has to say so in its configuration.
    pub const fn strict(purpose: Purpose) -> Self {
        let (days, cameras, queries, results) = match purpose {
            Purpose::MissingPerson => (14, 500, 200, 10_000),
            Purpose::SeriousIncident => (14, 200, 100, 5_000),
            Purpose::Disaster => (7, 500, 200, 10_000),
        };
        Self {
            window: Duration::from_secs(72 * HOUR),
            duration: Duration::from_secs(days * 24 * HOUR),
            cameras,
            budgets: Budgets { queries, results },
            results_per_search: 1_000,
        }
    }
}

/// What a deployment allows, whatever a grant says. [`Policy::default`] is the strictest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub missing_person: Limits,
    pub serious_incident: Limits,
    pub disaster: Limits,
    /// Whether requester and authoriser may be of one organisation. They are never one person.
    pub same_organisation: bool,
    /// How long a missing-person case may be searched before it is authorised, if it was opened as an emergency. `None`:
    /// no search before authorisation.
    pub emergency: Option<Duration>,
    /// Emergencies that one person may open in 24 hours, whatever became of them.
    pub emergencies_a_day: u32,
    /// Cases of one person that may wait to be authorised at a time.
    pub waiting_cases: u32,
    /// The keys of the authorisers this deployment knows. `None`: any key whose owner came with a certificate of an
    /// authoriser when they signed.
    pub authoriser_keys: Option<Vec<PublicKey>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            missing_person: Limits::strict(Purpose::MissingPerson),
            serious_incident: Limits::strict(Purpose::SeriousIncident),
            disaster: Limits::strict(Purpose::Disaster),
            same_organisation: false,
            emergency: None,
            emergencies_a_day: 3,
            waiting_cases: 20,
            authoriser_keys: None,
        }
    }
}

impl Policy {
    pub const fn limits(&self, purpose: Purpose) -> &Limits {
        match purpose {
            Purpose::MissingPerson => &self.missing_person,
            Purpose::SeriousIncident => &self.serious_incident,
            Purpose::Disaster => &self.disaster,
        }
    }
}
