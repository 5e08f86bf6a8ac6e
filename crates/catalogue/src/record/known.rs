//! Which certificates and grant keys the record knows. As with everything in `recorded`, the entries alone say so.

use std::collections::BTreeSet;

use access::{Action, AuditDetail, AuditEntry, Phase};

use crate::{Catalogue, CatalogueError};

/// What the entries came to, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Serial number and fingerprint of the key.
    certificates: BTreeSet<(String, String)>,
    /// Owner and fingerprint.
    grant_keys: BTreeSet<(String, String)>,
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

impl Catalogue {
    /// Whether a certificate is on the record, as far as it was read: what other servers wrote since may be missing.
    pub fn is_certificate_known(&self, serial: &str, key_sha256: &str) -> bool {
        self.recorded().known.certificates.contains(&(serial.to_owned(), key_sha256.to_owned()))
    }

    /// Owners and fingerprints of the grant keys that the record says are trusted.
    pub async fn grant_keys_on_record(&self) -> Result<BTreeSet<(String, String)>, CatalogueError> {
        self.follow_record().await?;
        Ok(self.recorded().known.grant_keys.clone())
    }
}
