//! The record as others can check it: entries from the catalogue become tiles, signed checkpoints, and receipts.
//!
//! The catalogue's rows are the truth and durable first. This derives files from them, every so often and whenever a receipt
//! is asked: C2SP tiles and entry bundles, then a checkpoint signed by the log's key and cosigned by witnesses. A process
//! killed anywhere in between leaves files that verify, and the next start goes on from them.
//!
//! What it refuses: to start on rows that are fewer, or others, than a checkpoint shows that there were; to build upon tiles
//! that don't fit; and, where a quorum of witnesses is configured, to let anybody read sightings once they have been missing
//! for longer than the configuration allows.

mod ask;
mod change;
mod grow;
mod introduced;
mod publish;
mod record_fault;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use access::{
    AuditEntry, AuditError, AuditLog, AuditReceipt, Matter, Phase, Sealed,
    log::{Introductions, LogError, Note, NoteKey, NoteSigner, Receipt, Seal, TreeHead, Trust, entry, entry_hash},
};
use async_trait::async_trait;
use audit_log::{FileTiles, LogFault, check_beginning, checked, read_note, read_signer, verify_folder};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use catalogue::Catalogue;
use metrics::histogram;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use self::ask::Witness as Asked;
pub use self::record_fault::RecordFault;
pub(crate) use self::{grow::grow, introduced::introduced_elsewhere};
use deployment::{Home, mark};

use crate::{config::LogConfig, telemetry::metrics::names};

/// Entries compared at once when the whole log is checked.
const PAGE: u32 = 4096;

/// Commits to words that must not stand in the record; the salt is new each time.
pub(crate) fn sealed(matter: Matter, words: impl Into<String>) -> Sealed {
    Sealed { matter, salt: rand::random(), words: words.into() }
}

/// The log of one deployment, open.
#[derive(Debug)]
pub(crate) struct Log {
    catalogue: Catalogue,
    tiles: FileTiles,
    /// A copy of the newest checkpoint, elsewhere than the log: what a restored backup of the log does not restore.
    high_water: PathBuf,
    /// There were entries when it was opened, and no such copy.
    mark_was_missing: bool,
    signer: NoteSigner,
    /// The last of them is the signer's; none where it is the first.
    keys: Introductions,
    key_file: PathBuf,
    witnesses: Vec<Asked>,
    quorum: usize,
    grace: Duration,
    state: Mutex<State>,
    /// Held by whoever publishes.
    publishing: tokio::sync::Mutex<()>,
    /// There are new entries.
    grown: Notify,
}

#[derive(Debug, Clone)]
struct State {
    head: TreeHead,
    note: Note,
    /// How many witnesses have signed it.
    cosigned: usize,
    /// Since when too few have.
    missing: Option<Instant>,
    /// A witness has seen another log with this key.
    contradicted: bool,
}

/// How a log stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogMeasures {
    /// Under the newest checkpoint.
    pub(crate) entries: u64,
    pub(crate) configured: usize,
    pub(crate) quorum: usize,
    pub(crate) cosigned: usize,
    /// For how long too few witnesses have signed; `None` where none is needed.
    pub(crate) missing: Option<Duration>,
    pub(crate) contradicted: bool,
}

impl Log {
    /// Opens the log in `home`, catches its files up with the catalogue, and refuses an older or another catalogue than the
    /// checkpoints show. Asks no witness.
    pub(crate) async fn open(home: &Home, config: &LogConfig, catalogue: Catalogue) -> Result<Self, RecordFault> {
        introduced::finish(home, &catalogue).await?;
        let signer = read_signer(&home.log_key())?;
        let keys = introduced::read_keys(home, &signer, &catalogue).await?;
        let tiles = FileTiles::new(home.log());
        let high_water = mark::place(home, &config.high_water);
        let earlier = mark::earlier(home, &high_water);
        let trust = Trust::knowing(signer.key().clone(), keys.clone());
        let checkpoint = checked(&trust, &tiles.checkpoint())?;
        let marks = std::iter::once(high_water.clone()).chain(earlier.iter().cloned());
        let marks = marks.map(|path| Ok((checked(&trust, &path)?, path))).collect::<Result<Vec<_>, LogFault>>()?;
        let have = catalogue.audit_len().await?;
        // A home folder that has never had the log joins others at one database; they have their marks.
        let joins = catalogue.is_shared() && checkpoint.is_none();
        let mark_was_missing = have > 0 && !joins && marks.iter().all(|(seen, _)| seen.is_none());
        if mark_was_missing {
            tracing::warn!(path = %high_water.display(), entries = have, "the log's high-water mark is missing: whether this is the newest copy of the log can't be told by it");
        }
        for (seen, path) in marks.iter().chain([&(checkpoint, tiles.checkpoint())]) {
            if let Some(seen) = seen.filter(|seen| seen.size > have) {
                return Err(LogFault::Older { have, seen: seen.size, by: path.display().to_string() }.into());
            }
        }
        let before = checkpoint.unwrap_or(TreeHead::EMPTY);
        if before.size > 0 {
            let row = catalogue.audit_bytes_since(before.size - 1, 1).await?.pop();
            let same = entry(&tiles, &before, before.size - 1)?;
            if row != Some(same) {
                return Err(LogFault::Forked { by: tiles.checkpoint().display().to_string() }.into());
            }
        }
        let head = grow(&catalogue, &tiles, before).await?;
        for (mark, path) in &marks {
            if let Some(mark) = mark {
                check_beginning(&tiles, mark, &head, || path.display().to_string())?;
            }
        }
        // One that witnesses have signed already keeps their signatures.
        let note = match read_note(&tiles.checkpoint())? {
            Some(note) if checkpoint == Some(head) => note,
            _ => access::log::sign_head_as(&signer, &keys, &head)?,
        };
        let witnesses = config.witnesses.iter().map(|w| Asked::new(w.key.clone(), &w.url).ok_or(LogFault::Kinds));
        let state = State { head, note, cosigned: 0, missing: Some(Instant::now()), contradicted: false };
        let log = Self {
            catalogue,
            tiles,
            high_water,
            mark_was_missing,
            signer,
            keys,
            key_file: home.log_key(),
            witnesses: witnesses.collect::<Result<_, _>>()?,
            quorum: config.quorum,
            grace: config.grace,
            state: Mutex::new(state),
            publishing: tokio::sync::Mutex::new(()),
            grown: Notify::new(),
        };
        let note = log.state().note.clone();
        log.write_checkpoint(&note).await?;
        // Only now that the new one has what it said.
        for path in earlier {
            mark::forget(&path).map_err(|source| LogFault::Io { action: "remove", path, source })?;
        }
        Ok(log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// How it stands, for whoever watches the server.
    pub(crate) fn measures(&self) -> LogMeasures {
        let state = self.state();
        LogMeasures {
            entries: state.head.size,
            configured: self.witnesses.len(),
            quorum: self.quorum,
            cosigned: state.cosigned,
            missing: state.missing.filter(|_| self.quorum > 0).map(|since| since.elapsed()),
            contradicted: state.contradicted,
        }
    }

    /// Where the high-water mark should have been when the log was opened, if it was not there.
    pub(crate) fn missing_mark(&self) -> Option<&Path> {
        self.mark_was_missing.then_some(&self.high_water)
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.state().head
    }

    pub(crate) fn key(&self) -> &NoteKey {
        self.signer.key()
    }

    fn sign(&self, head: &TreeHead) -> Result<Note, LogError> {
        access::log::sign_head_as(&self.signer, &self.keys, head)
    }

    /// Every key that the log has had, each for its time.
    fn trust(&self) -> Trust {
        Trust::knowing(self.signer.key().clone(), self.keys.clone())
    }

    /// Refuses to read sightings while too few witnesses look on.
    fn check_witnessed(&self) -> Result<(), AuditError> {
        let state = self.state();
        let overdue = state.missing.map(|since| since.elapsed()).unwrap_or_default();
        if self.quorum > 0 && (overdue > self.grace || state.contradicted) {
            return Err(AuditError::Unwitnessed { got: state.cosigned, want: self.quorum, overdue });
        }
        Ok(())
    }

    /// A receipt of an entry, with the entry's bytes in it. `seq` from 1.
    ///
    /// # Errors
    /// [`RecordFault::NoEntry`].
    pub(crate) async fn receipt(self: &Arc<Self>, seq: u64) -> Result<Receipt, RecordFault> {
        self.receipts(&[seq]).await?.pop().ok_or(RecordFault::NoEntry { seq })
    }

    /// As [`Self::receipt`], in the order asked, all against one checkpoint.
    pub(crate) async fn receipts(self: &Arc<Self>, entries: &[u64]) -> Result<Vec<Receipt>, RecordFault> {
        let have = self.catalogue.audit_len().await?;
        if let Some(seq) = entries.iter().copied().find(|seq| *seq == 0 || *seq > have) {
            return Err(RecordFault::NoEntry { seq });
        }
        if entries.iter().any(|seq| self.state().head.size < *seq) {
            self.publish().await?;
        }
        let State { head, note, .. } = self.state().clone();
        let (tiles, entries) = (self.tiles.clone(), entries.to_vec());
        let made = tokio::task::spawn_blocking(move || {
            let one = |seq: u64| {
                let mut receipt = Receipt::issue(&tiles, &head, &note, seq - 1)?;
                receipt.extra = Some(entry(&tiles, &head, seq - 1)?);
                Ok::<_, RecordFault>(receipt)
            };
            entries.into_iter().map(one).collect()
        });
        made.await.map_err(|_| RecordFault::Thread)?
    }

    /// The log's signature under what is told to another system, in base64.
    pub(crate) fn sign_event(&self, text: &str) -> Result<String, LogError> {
        Ok(BASE64_STANDARD.encode(access::log::sign_event(&self.signer, text)?))
    }

    /// The log's signature under an export.
    pub(crate) fn seal(&self, seal: &Seal) -> Result<Note, LogError> {
        seal.sign(&self.signer)
    }

    /// Checks every file of the log against its checkpoint, and every row of the catalogue against the log. Returns how
    /// many entries there are.
    pub(crate) async fn verify(self: &Arc<Self>) -> Result<u64, RecordFault> {
        self.publish().await?;
        let (tiles, trust) = (self.tiles.clone(), self.trust());
        let read = tokio::task::spawn_blocking(move || {
            let mut leaves = Vec::new();
            let checked = verify_folder(&tiles, &trust, |_, entry| leaves.push(entry_hash(entry)))?;
            Ok::<_, RecordFault>((checked.head, leaves))
        });
        let (head, leaves) = read.await.map_err(|_| RecordFault::Thread)??;
        let mut seq = 0;
        while seq < head.size {
            let rows = self.catalogue.audit_bytes_since(seq, PAGE).await?;
            if rows.is_empty() {
                return Err(RecordFault::Row { seq: seq + 1 });
            }
            for row in rows.into_iter().take(usize::try_from(head.size - seq).unwrap_or(usize::MAX)) {
                if leaves.get(usize::try_from(seq).unwrap_or(usize::MAX)) != Some(&entry_hash(&row)) {
                    return Err(RecordFault::Row { seq: seq + 1 });
                }
                seq += 1;
            }
        }
        Ok(seq)
    }

    /// Other servers may have added entries.
    pub(crate) fn has_grown(&self) {
        self.grown.notify_one();
    }

    /// Resolves when there is something new to publish.
    pub(crate) async fn grown(&self) {
        tokio::select! { () = self.grown.notified() => {}, () = self.catalogue.record_grown() => {} }
    }
}

#[async_trait]
impl AuditLog for Log {
    async fn append(&self, entry: AuditEntry) -> Result<AuditReceipt, AuditError> {
        if entry.phase == Phase::Begin && entry.action.reads_sightings() {
            self.check_witnessed()?;
        }
        let began = Instant::now();
        let receipt = self.catalogue.append(entry).await?;
        histogram!(names::AUDIT_SECONDS).record(began.elapsed());
        self.grown.notify_one();
        Ok(receipt)
    }
}
