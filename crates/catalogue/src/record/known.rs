//! Which certificates and grant keys the record knows. As with everything in `recorded`, the entries alone say so.

use std::collections::BTreeSet;

use access::{Action, AuditDetail, AuditEntry, Phase};

/// What the entries came to, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Serial number and fingerprint of the key.
    pub(super) certificates: BTreeSet<(String, String)>,
    /// Owner and fingerprint.
    pub(super) grant_keys: BTreeSet<(String, String)>,
}

impl Known {
    /// The entry is the act: what it says counts from its begin on.
    pub(crate) fn take(&mut self, entry: &AuditEntry) {
        if entry.phase != Phase::Begin {
            return;
        }
        let AuditDetail { serial, key_sha256: Some(key), key_owner, .. } = &entry.detail else { return };
        match (entry.action, serial, key_owner) {
            (Action::IssueIdentity, Some(serial), _) => {
                self.certificates.insert((serial.clone(), key.clone()));
            }
            (Action::TrustGrantKey, _, Some(owner)) => {
                self.grant_keys.insert((owner.clone(), key.clone()));
            }
            (Action::DropGrantKey, _, Some(owner)) => {
                self.grant_keys.remove(&(owner.clone(), key.clone()));
            }
            _ => {}
        }
    }
}
