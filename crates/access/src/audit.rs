use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use types::{AgencyId, CameraId, CaseId, Class, HoldId, JobId, QueryPart, ReceiveTime, SightingId, TimeWindow};

use crate::{
    Action, Budgets, Caller, CameraPolicy, Code, Commitment, Deletion, Example, Examples, LeftOut, MarkChange, Matter, Name,
    Sealed, SearchRequest, Seen, log,
};

/// One line of the record. No free text and no picture: who, what, under which case, how far, and how it ended. What
/// somebody wrote or showed is there as a [`Commitment`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    pub at: ReceiveTime,
    /// `None`: the server itself.
    pub caller: Option<Caller>,
    pub action: Action,
    pub phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    #[serde(default, skip_serializing_if = "AuditDetail::is_empty")]
    pub detail: AuditDetail,
    /// What it takes from (or gives back to) the case's budgets. The log books it in the same transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// Every call is two entries: one before any work, one after. A begin without an end is a call that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Phase {
    /// Permitted; no work was done yet.
    Begin,
    /// Refused; no work was or will be done.
    Denied {
        code: Code,
    },
    Complete {
        begin: u64,
        outcome: Outcome,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    Done,
    /// The caller went away, or the stream was cut.
    Cancelled,
    Failed,
}

impl Phase {
    /// One word: `permitted`, the code of the refusal, `done`, `cancelled` or `failed`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Begin => "permitted",
            Self::Denied { code } => code.as_str(),
            Self::Complete { outcome: Outcome::Done, .. } => "done",
            Self::Complete { outcome: Outcome::Cancelled, .. } => "cancelled",
            Self::Complete { outcome: Outcome::Failed, .. } => "failed",
        }
    }
}

/// What a call was about. Closed: a new kind of thing needs a new field here, in plain sight.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditDetail {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub cameras: BTreeSet<CameraId>,
    /// Cameras of the case that their owners keep out of this search.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<CameraId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<AgencyId>,
    #[serde(with = "optional_window", skip_serializing_if = "Option::is_none")]
    pub window: Option<TimeWindow>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub classes: BTreeSet<Class>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub parts: BTreeSet<QueryPart>,
    /// The one example of a search, or the sighting looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sighting: Option<SightingId>,
    /// The examples of a search that has more than one.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub like: BTreeSet<SightingId>,
    /// What it was not to be like.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unlike: BTreeSet<SightingId>,
    /// The sighting from which it was asked what can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach_from: Option<SightingId>,
    /// What the requester of a case thinks of its sightings from here on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<SightingId, MarkChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What was written or shown, without saying what.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub commitments: BTreeMap<Matter, Commitment>,
    /// What opens the commitments. Kept beside the record, in the transaction of the entry, and erasable; never part of the
    /// entry's bytes.
    #[serde(skip)]
    pub sealed: Vec<Sealed>,
    /// What was handed out, one by one. Kept beside the record, in the transaction of the entry, for as long as the sightings
    /// are; never part of the entry's bytes.
    #[serde(skip)]
    pub handed: Vec<SightingId>,
    /// The entry of which a receipt was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Of the certificate issued or revoked, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Whom a certificate names that was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Caller>,
    /// What a certificate is called that names hosts and nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Name>,
    /// The hosts that it names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// Fingerprint of a certificate's key or of a grant key: SHA-256 of its public half (SPKI, DER), in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_sha256: Option<String>,
    /// Whose signature a grant key makes: `organisation.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_owner: Option<String>,
    /// From when on a grant key counts, and until when; signatures of the time between go on counting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_from: Option<ReceiveTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_until: Option<ReceiveTime>,
    /// All keys that the log has had, each introduced by the one before: [`log::Introductions`] as a line of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_keys: Option<String>,
    /// The legal hold it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
    /// Somebody said that the server's clock is right: from here on retention goes by it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_is_right: bool,
    /// What was deleted because its time had come. The log's signature and receipts make it a record that others can check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// Searched before anybody authorised it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Sightings that a worker handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// What the owner lets others do with the cameras from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<CameraPolicy>,
    /// What commits to sightings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// What was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<u32>,
    /// SHA-256 over the ids of what was handed out, in their order, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results_sha256: Option<String>,
    /// SHA-256 of an export's manifest, in hexadecimal. The manifest has a random number in it, so that this gives nothing
    /// away once the export is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_sha256: Option<String>,
}

impl AuditDetail {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Commits to what was written or shown; an empty text is none.
    #[must_use]
    pub fn seal(mut self, sealed: Sealed) -> Self {
        if !sealed.words.is_empty() {
            self.commitments.insert(sealed.matter, sealed.commitment());
            self.sealed.push(sealed);
        }
        self
    }

    /// What the end of a call says about what it handed out.
    pub fn of_results(handed: &[SightingId]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        handed.iter().for_each(|id| hash.update(id.0.as_bytes()));
        Self {
            results: Some(u32::try_from(handed.len()).unwrap_or(u32::MAX)),
            results_sha256: (!handed.is_empty()).then(|| hex::encode(hash.finalize())),
            ..Self::default()
        }
    }

    pub(crate) fn of_request(request: &SearchRequest, example: Option<&Example>) -> Self {
        let detail = Self {
            cameras: request.cameras.clone(),
            window: request.window,
            classes: request.classes.clone(),
            parts: request.parts.clone(),
            limit: Some(request.limit),
            reach_from: request.reach_from,
            ..Self::default()
        };
        match example {
            Some(Example::Sighting(id)) => Self { sighting: Some(*id), ..detail },
            Some(Example::Picture(sealed)) => detail.seal(sealed.clone()),
            Some(Example::Several(Examples { like, unlike, pictures })) => {
                let detail = Self { like: like.clone(), unlike: unlike.clone(), ..detail };
                pictures.iter().fold(detail, |detail, sealed| detail.seal(sealed.clone()))
            }
            None => detail,
        }
    }

    pub(crate) fn of_left_out(left_out: &[LeftOut]) -> BTreeSet<CameraId> {
        left_out.iter().map(|l| l.camera.clone()).collect()
    }
}

/// A booking against a case's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Charge {
    /// Refused with [`AuditError::Exhausted`], and no entry made, where the sum would be more than `within`.
    Take { queries: u32, results: u32, within: Budgets },
    /// Results reserved and not handed out.
    GiveBack { results: u32 },
}

/// Where an entry stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReceipt {
    /// From 1, without gaps.
    pub seq: u64,
    /// RFC 6962 leaf hash of the entry: what the log's tree is made of.
    pub leaf: [u8; 32],
}

/// The record did not take an entry. Whatever the entry was for must not happen.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the case's budget is used up: {used_queries} queries and {used_results} results of {} and {} are taken", within.queries, within.results)]
    Exhausted { used_queries: u64, used_results: u64, within: Budgets },
    #[error("{got} of the {want} witnesses that are needed have seen the record in the last {}", minutes(*overdue))]
    Unwitnessed { got: usize, want: usize, overdue: std::time::Duration },
    #[error("write to the audit record")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The append-only record.
///
/// When `append` returns `Ok` the entry, and its charge, survive a crash of this machine; an implementation that can't
/// promise that must return an error. No default and no way around it is provided on purpose.
#[async_trait]
pub trait AuditLog: Send + Sync {
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError>;
}

#[async_trait]
impl<T: AuditLog + ?Sized> AuditLog for std::sync::Arc<T> {
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError> {
        (**self).append(entry).await
    }
}

impl AuditEntry {
    /// The bytes that are hashed and kept: the same entry, the same bytes.
    ///
    /// # Errors
    /// Never for entries made here; the caller still must not drop an entry it can't write.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AuditError> {
        serde_json::to_vec(self).map_err(|e| AuditError::Unavailable(Box::new(e)))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AuditError> {
        serde_json::from_slice(bytes).map_err(|e| AuditError::Unavailable(Box::new(e)))
    }
}

impl AuditReceipt {
    /// The receipt of the entry with these bytes at `seq`.
    pub fn of(seq: u64, bytes: &[u8]) -> Self {
        Self { seq, leaf: log::entry_hash(bytes).0 }
    }

    /// Its place in the log, from 0.
    pub fn index(&self) -> u64 {
        self.seq.saturating_sub(1)
    }
}

fn minutes(overdue: std::time::Duration) -> String {
    match overdue.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}

mod optional_window {
    use serde::{Deserializer, Serializer};

    use super::*;
    use crate::scope::window;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "window")] TimeWindow);

    pub(super) fn serialize<S: Serializer>(w: &Option<TimeWindow>, s: S) -> Result<S::Ok, S::Error> {
        w.map(Wrapped).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<TimeWindow>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(d)?.map(|w| w.0))
    }
}
