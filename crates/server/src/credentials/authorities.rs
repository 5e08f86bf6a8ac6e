//! The authorities whose certificates the server takes: each is on the record before it counts, and so is its end.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use access::{Action, AuditDetail};
use catalogue::Catalogue;
use deployment::certificate;
use types::ReceiveTime;

use crate::{credentials::known::put_on_record, record::log::Log, store::StoreError};

/// Fingerprints of the keys of the authorities in a file. Nobody's certificate counts by them yet.
#[derive(Debug)]
pub(crate) struct FoundAuthorities(BTreeSet<String>);

#[derive(Debug, thiserror::Error)]
#[error("{} has no certificate of an authority that can be read", .0.display())]
pub(crate) struct NoAuthority(PathBuf);

impl FoundAuthorities {
    pub(crate) fn load(file: &Path) -> Result<Self, NoAuthority> {
        let bad = || NoAuthority(file.to_owned());
        let found: BTreeSet<_> = certificate::keys(file).ok_or_else(bad)?.into_iter().collect();
        if found.is_empty() { Err(bad()) } else { Ok(Self(found)) }
    }

    /// Puts on the record which came and which went since the server looked last.
    pub(crate) async fn trust(self, catalogue: &Catalogue, log: &Log, now: ReceiveTime) -> Result<(), StoreError> {
        let before = catalogue.authorities_on_record().await?;
        let gone = before.difference(&self.0).map(|key| (Action::DropAuthority, key));
        let new = self.0.difference(&before).map(|key| (Action::TrustAuthority, key));
        for (action, key) in gone.chain(new) {
            put_on_record(log, action, AuditDetail { key_sha256: Some(key.clone()), ..AuditDetail::default() }, now).await?;
            tracing::info!(key, %action, "authority on the record");
        }
        Ok(())
    }
}
