//! The authorisers' keys that the server believes: each is on the record before it counts, and so is its end.

use std::collections::{BTreeMap, BTreeSet};

use access::{Action, AuditDetail, AuthoriserKey, Caller, Passkey, PublicKey};
use catalogue::{Catalogue, RecordedGrantKey};
use deployment::grant_keys::{FoundKey, GrantKey};
use types::ReceiveTime;

use crate::{credentials::known::put_on_record, record::log::Log, store::StoreError};

/// The keys that are trusted, by `organisation.name`. Each is on the record: only [`GrantKeys::trust`] makes them.
#[derive(Debug, Default)]
pub(crate) struct GrantKeys {
    keys: Owned<PublicKey>,
    passkeys: Owned<Passkey>,
}

type Owned<K> = BTreeMap<String, Vec<AuthoriserKey<K>>>;

impl GrantKeys {
    /// Puts on the record which keys came and which went since the last start, and for which time they count. Only then are they
    /// trusted.
    pub(crate) async fn trust(
        found: Vec<FoundKey>,
        catalogue: &Catalogue,
        log: &Log,
        now: ReceiveTime,
    ) -> Result<Self, StoreError> {
        let keys: Vec<_> = found
            .into_iter()
            .map(|FoundKey { owner, sha256, key: AuthoriserKey { key, from, until } }| {
                (RecordedGrantKey { owner, sha256, from, until }, key)
            })
            .collect();
        let before = catalogue.grant_keys_on_record().await?;
        let found: BTreeSet<_> = keys.iter().map(|(known, _)| known.clone()).collect();
        let gone = before.difference(&found).map(|key| (Action::DropGrantKey, key));
        let new = found.difference(&before).map(|key| (Action::TrustGrantKey, key));
        for (action, known) in gone.chain(new) {
            let RecordedGrantKey { owner, sha256, from, until } = known;
            let detail = AuditDetail {
                key_owner: Some(owner.clone()),
                key_sha256: Some(sha256.clone()),
                key_from: *from,
                key_until: *until,
                ..AuditDetail::default()
            };
            put_on_record(log, action, detail, now).await?;
            tracing::info!(%owner, %sha256, %action, "grant key on the record");
        }
        let mut trusted = Self::default();
        for (RecordedGrantKey { owner, from, until, .. }, key) in keys {
            match key {
                GrantKey::Key(key) => trusted.keys.entry(owner).or_default().push(AuthoriserKey { key, from, until }),
                GrantKey::Passkey(key) => trusted.passkeys.entry(owner).or_default().push(AuthoriserKey { key, from, until }),
            }
        }
        Ok(trusted)
    }

    /// The keys with which somebody can sign at this time.
    pub(crate) fn of(&self, caller: &Caller, now: ReceiveTime) -> Vec<PublicKey> {
        of(&self.keys, caller, now)
    }

    /// The passkeys with which somebody can sign at this time.
    pub(crate) fn passkeys_of(&self, caller: &Caller, now: ReceiveTime) -> Vec<Passkey> {
        of(&self.passkeys, caller, now)
    }

    pub(crate) fn all(&self) -> Vec<AuthoriserKey> {
        self.keys.values().flatten().copied().collect()
    }

    pub(crate) fn all_passkeys(&self) -> Vec<AuthoriserKey<Passkey>> {
        self.passkeys.values().flatten().cloned().collect()
    }
}

fn of<K: Clone>(all: &Owned<K>, caller: &Caller, now: ReceiveTime) -> Vec<K> {
    let theirs = all.get(&format!("{}.{}", caller.organisation, caller.name)).into_iter().flatten();
    theirs.filter(|known| known.counts_at(now)).map(|known| known.key.clone()).collect()
}
