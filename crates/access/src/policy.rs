use std::time::Duration;

use types::ReceiveTime;

use crate::{Budgets, Passkey, PublicKey, Purpose};

/// The most that a case of one purpose may cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How much capture time a case may cover.
    pub window: Duration,
    /// From opening to expiry.
    pub duration: Duration,
    /// Cameras in scope, those of whole agencies counted.
    pub cameras: usize,
    /// What a case may take in all.
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

/// A key or passkey that a deployment knows an authoriser by, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthoriserKey<K = PublicKey> {
    /// The authoriser's public key, or passkey.
    pub key: K,
    /// Signatures of before do not count. `None`: no beginning.
    pub from: Option<ReceiveTime>,
    /// Signatures of this time and later do not count. `None`: no end.
    pub until: Option<ReceiveTime>,
}

impl<K> AuthoriserKey<K> {
    /// Whether it can sign at this time.
    pub fn counts_at(&self, at: ReceiveTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether a signature of this time under a grant of that one counts. The grant's own time is signed, so that no key that has
    /// ended signs a later grant, whatever a row says about when.
    fn counts(&self, signed: ReceiveTime, opened: ReceiveTime) -> bool {
        self.counts_at(signed) && self.until.is_none_or(|until| opened < until)
    }
}

impl<K: PartialEq> AuthoriserKey<K> {
    /// Why a signature of this time under a grant of that one does not count; `None` known: any key counts.
    pub(crate) fn check(known: Option<&[Self]>, key: &K, signed: ReceiveTime, opened: ReceiveTime) -> Result<(), &'static str> {
        let Some(known) = known else { return Ok(()) };
        let mut theirs = known.iter().filter(|known| known.key == *key).peekable();
        if theirs.peek().is_none() {
            return Err("the authoriser's key is not one this deployment knows");
        }
        if theirs.any(|known| known.counts(signed, opened)) {
            Ok(())
        } else {
            Err("the authoriser's key did not count when it signed")
        }
    }
}

impl<K> From<K> for AuthoriserKey<K> {
    fn from(key: K) -> Self {
        Self { key, from: None, until: None }
    }
}

/// What a deployment allows, whatever a grant says. [`Policy::default`] is the strictest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Limits of cases with [`Purpose::MissingPerson`].
    pub missing_person: Limits,
    /// Limits of cases with [`Purpose::SeriousIncident`].
    pub serious_incident: Limits,
    /// Limits of cases with [`Purpose::Disaster`].
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
    pub authoriser_keys: Option<Vec<AuthoriserKey>>,
    /// Whether an authoriser may sign with a passkey.
    pub passkeys: bool,
    /// The passkeys of authorisers that this deployment knows; `None` as for their keys.
    pub authoriser_passkeys: Option<Vec<AuthoriserKey<Passkey>>>,
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
            passkeys: false,
            authoriser_passkeys: None,
        }
    }
}

impl Policy {
    /// The limits of one purpose.
    pub const fn limits(&self, purpose: Purpose) -> &Limits {
        match purpose {
            Purpose::MissingPerson => &self.missing_person,
            Purpose::SeriousIncident => &self.serious_incident,
            Purpose::Disaster => &self.disaster,
        }
    }
}
