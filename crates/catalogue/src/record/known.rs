//! Which certificates and grant keys the record knows. As with everything in `recorded`, the entries alone say so.

use std::collections::BTreeSet;

use access::{Action, AuditDetail, AuditEntry, Phase};
use types::ReceiveTime;

/// A grant key as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedGrantKey {
    /// `organisation.name`.
    pub owner: String,
    /// Of the public half, in hexadecimal.
    pub sha256: String,
    pub from: Option<ReceiveTime>,
    pub until: Option<ReceiveTime>,
}

/// What the entries came to, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Serial number and fingerprint of the key.
    pub(super) certificates: BTreeSet<(String, String)>,
    pub(super) grant_keys: BTreeSet<RecordedGrantKey>,
    /// Fingerprints.
    pub(super) authorities: BTreeSet<String>,
    /// What the last change of the log's key says of all its keys.
    pub(super) log_keys: Option<String>,
}

impl Known {
    /// The entry is the act: what it says counts from its begin on.
    pub(crate) fn take(&mut self, entry: &AuditEntry) {
        if entry.phase != Phase::Begin {
            return;
        }
        if let (Action::IntroduceLogKey, Some(keys)) = (entry.action, &entry.detail.log_keys) {
            self.log_keys = Some(keys.clone());
        }
        let AuditDetail { serial, key_sha256: Some(key), key_owner, key_from, key_until, .. } = &entry.detail else { return };
        let grant_key =
            |owner: &String| RecordedGrantKey { owner: owner.clone(), sha256: key.clone(), from: *key_from, until: *key_until };
        match (entry.action, serial, key_owner) {
            (Action::IssueIdentity, Some(serial), _) => {
                self.certificates.insert((serial.clone(), key.clone()));
            }
            (Action::TrustGrantKey, _, Some(owner)) => {
                self.grant_keys.insert(grant_key(owner));
            }
            (Action::DropGrantKey, _, Some(owner)) => {
                self.grant_keys.retain(|known| (&known.owner, &known.sha256) != (owner, key));
            }
            (Action::TrustAuthority, ..) => {
                self.authorities.insert(key.clone());
            }
            (Action::DropAuthority, ..) => {
                self.authorities.remove(key);
            }
            _ => {}
        }
    }
}
