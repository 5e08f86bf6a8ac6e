//! The log's key is changed: the old one introduces the new one on the record, and both sign it.
//!
//! Only whoever holds the old key can do it: the introduction is its signature. The entry is the act. What the new key needs lies
//! in `pki/log.next` before that entry is written; whoever opens the log next finishes what the entry began, or clears away what
//! it did not begin (`introduced.rs`). So a process that is killed anywhere leaves a log that has exactly one key.

use std::sync::Arc;

use access::{
    Action, AuditDetail, AuditEntry, AuditError, AuditLog as _, Outcome, Phase,
    log::{KeyKind, NoteKey},
};
use audit_log::new_key;
use types::ReceiveTime;

use super::{
    Log, RecordFault,
    grow::grow,
    introduced::{finish, io_fault},
};
use deployment::{Exchange, Home};

/// What a change of the log's key came to.
#[derive(Debug)]
pub(crate) struct ChangedKey {
    pub(crate) old: NoteKey,
    pub(crate) new: NoteKey,
    /// The last head that the old key may have signed has so many entries.
    pub(crate) entries: u64,
    /// The entry that introduces the new key, from 1.
    pub(crate) seq: u64,
}

fn on_record(error: AuditError) -> RecordFault {
    RecordFault::Record(Box::new(error))
}

impl Log {
    /// Introduces a new key. This log signs nothing after it: open it again.
    pub(crate) async fn change_key(self: &Arc<Self>, home: &Home, at: ReceiveTime) -> Result<ChangedKey, RecordFault> {
        // Witnesses see what the old key signed last, and other servers sign nothing meanwhile.
        self.publish().await?;
        let _alone = self.publishing.lock().await;
        let right = self.catalogue.publish().await?;
        let before = self.state().head;
        let head = grow(&self.catalogue, &self.tiles, before).await?;
        if let Some(note) = right.note() {
            self.check_published(note, &head)?;
        }
        let (pem, new) = new_key(self.signer.key().name(), KeyKind::Log, &self.key_file)?;
        let keys = self.keys.introduce(&self.signer, &new, head)?;
        let files = [
            ("log.key", pem.as_ref().to_owned(), 0o600),
            ("log.pub", format!("{}\n", new.key()), 0o644),
            ("log.introductions", format!("{}\n", keys.to_text()), 0o644),
        ];
        let pki = home.pki();
        Exchange::LogKey.lay_ready(&pki, &files).map_err(io_fault("make", &Exchange::LogKey.ready(&pki)))?;

        let detail = AuditDetail { log_keys: Some(keys.to_text()), ..AuditDetail::default() };
        let entry = |phase, detail| AuditEntry {
            at,
            caller: None,
            action: Action::IntroduceLogKey,
            phase,
            case: None,
            detail,
            charge: None,
        };
        let seq = self.append(entry(Phase::Begin, detail)).await.map_err(on_record)?.seq;
        finish(home, &self.catalogue).await?;
        let complete = entry(Phase::Complete { begin: seq, outcome: Outcome::Done }, AuditDetail::default());
        self.append(complete).await.map_err(on_record)?;
        Ok(ChangedKey { old: self.signer.key().clone(), new: new.key().clone(), entries: head.size, seq })
    }
}
