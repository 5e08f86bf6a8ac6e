//! Sightings end when their camera's owner said they would, and that can be shown: rows, crops and vectors go, their bytes
//! with them; a search for what was deleted follows; and the record says what went and why, with no caller.
//!
//! A run is a day. Its account is opened in the catalogue before the first row goes and closed once the search afterwards
//! found nothing, so that one that was cut off, by a crash or a full disk, is gone on with by the next sweep. What was
//! deleted from the catalogue is in no answer from then on, whatever the index still has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use access::{Action, AuditDetail, AuditEntry, AuditLog, Deletion, Hold, IdDigest, Outcome, Phase, Retention, Schedule};
use catalogue::{Catalogue, DeletedSighting, DeletionRun, FencingToken, due, lease_names};
use tokio_util::sync::CancellationToken;
use types::{CameraId, Chain, Day, Embedding, ReceiveTime, SightingId};

use super::{
    error::JanitorError,
    probe::{SAMPLE, probe},
    settled::SettledTime,
};
use crate::{
    base::{
        clock::{Clock, as_micros},
        health::Health,
    },
    copies::upgrade,
    store::Store,
};

/// Not serving while a deletion is overdue.
pub(crate) const HEALTH: &str = "sightline.Retention";

/// Deletes sightings whose time has come.
pub(crate) struct Deleter {
    store: Arc<Store>,
    retention: Retention,
    time: Arc<SettledTime>,
    clock: Clock,
    health: Health,
    overdue: AtomicU64,
    deleted: AtomicU64,
    last_clean_us: AtomicI64,
}

/// How deletion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionCounts {
    /// Days whose deletion is later than the deployment allows, and deletions after which something was found.
    pub overdue: u64,
    /// Sightings deleted since the server started.
    pub deleted: u64,
}

/// Until `stop`, each time after so long.
pub(crate) async fn sweep_regularly(deleter: Arc<Deleter>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        if let Err(error) = deleter.sweep().await {
            tracing::error!(error = %Chain(&error), "not everything whose time has come was deleted; tried again later");
        }
    }
}

/// A run whose rows are gone, not yet looked for.
struct Emptied {
    run: DeletionRun,
    /// The entry that began it.
    begin: u64,
    gone: Vec<SightingId>,
    sample: Vec<Embedding>,
}

impl Deleter {
    pub(crate) fn new(store: Arc<Store>, retention: Retention, time: Arc<SettledTime>, clock: Clock, health: Health) -> Self {
        let (overdue, deleted, last_clean_us) = (AtomicU64::new(0), AtomicU64::new(0), AtomicI64::new(0));
        Self { store, retention, time, clock, health, overdue, deleted, last_clean_us }
    }

    fn catalogue(&self) -> &Catalogue {
        &self.store.catalogue
    }

    fn now(&self) -> ReceiveTime {
        self.clock.now()
    }

    pub(crate) fn counts(&self) -> RetentionCounts {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        RetentionCounts { overdue: of(&self.overdue), deleted: of(&self.deleted) }
    }

    /// When all that was due was gone; `None`: not since the server started.
    pub(crate) fn last_clean(&self) -> Option<ReceiveTime> {
        let us = self.last_clean_us.load(Ordering::Relaxed);
        (us != 0).then(|| ReceiveTime::from_micros(us).ok()).flatten()
    }

    /// Deletes what is due, and says whether anything is overdue afterwards. Returns the runs that came to their end.
    pub(crate) async fn sweep(&self) -> Result<Vec<DeletionRun>, JanitorError> {
        let _turn = self.store.deleting.lock().await;
        upgrade::forget_old(&self.store.data, self.now())?;
        // Of several servers one deletes; all of them see what is overdue.
        let done = match self.store.cluster.acquire(lease_names::RETENTION).await? {
            Some(held) => self.delete_due(&held.fence()).await,
            None => Ok(Vec::new()),
        };
        let overdue = match self.count_overdue().await {
            Ok(buckets) => buckets,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "what is overdue can't be told");
                self.overdue.load(Ordering::Relaxed).max(1)
            }
        };
        self.overdue.store(overdue, Ordering::Relaxed);
        if done.is_ok() && overdue == 0 {
            self.last_clean_us.store(self.now().as_micros(), Ordering::Relaxed);
        }
        self.health.set(HEALTH, overdue == 0).await;
        done
    }

    async fn delete_due(&self, by: &FencingToken) -> Result<Vec<DeletionRun>, JanitorError> {
        let catalogue = self.catalogue();
        let now = self.time.settled().await?.0;
        let holds = catalogue.standing_holds().await?;
        let mut done = self.carry_out(catalogue.open_deletions().await?, true, &holds, now, by).await?;
        let cameras = catalogue.cameras().await?;
        let cutoffs = self.retention.cutoffs(cameras.iter().map(|c| (&c.id, &c.policy)), now);
        let mut days = due(&catalogue.shares().await?, &cutoffs);
        for day in catalogue.review_holds(&holds, now).await? {
            days.entry(day).or_default();
        }
        let mut runs = Vec::new();
        for (day, stored_before) in days {
            let deletion = Deletion {
                day,
                whole: false,
                stored_before,
                cameras: BTreeMap::new(),
                held: 0,
                ids: IdDigest::default(),
                probe: None,
            };
            runs.push(catalogue.begin_deletion(&deletion, now).await?);
        }
        done.extend(self.carry_out(runs, false, &holds, now, by).await?);
        if done.is_empty() {
            // Else that was done with them.
            self.store.feed.forget_tombstones().await?;
        }
        Ok(done)
    }

    /// Every day is tried, whatever became of the one before. The database is written anew once for all of them.
    async fn carry_out(
        &self,
        runs: Vec<DeletionRun>,
        again: bool,
        holds: &[Hold],
        now: ReceiveTime,
        by: &FencingToken,
    ) -> Result<Vec<DeletionRun>, JanitorError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let (mut emptied, mut first_fault) = (Vec::new(), None);
        let days: Vec<_> = runs.iter().map(|run| run.deletion.day).collect();
        for run in runs {
            let begin = self.note_deletion(&run.deletion, Phase::Begin).await?;
            match self.empty(run, begin, again, holds, now, by).await {
                Ok(day) => emptied.push(day),
                Err((run, fault)) => {
                    self.note_deletion(&run.deletion, Phase::Complete { begin, outcome: Outcome::Failed }).await?;
                    first_fault.get_or_insert(fault);
                }
            }
        }
        let erased = async {
            // What was deleted is in a copy from before an upgrade too.
            upgrade::forget(&self.store.data)?;
            self.store.feed.purge(&emptied.iter().map(|e| e.run.deletion.day).collect::<Vec<_>>()).await?;
            Ok::<_, JanitorError>(self.catalogue().erase(&days).await?)
        };
        let erased = erased.await;
        let mut done = Vec::new();
        for Emptied { mut run, begin, gone, sample } in emptied {
            let probed = if erased.is_ok() { probe(&self.store, &run.deletion, &gone, sample).await.map(Some) } else { Ok(None) };
            match probed {
                Ok(Some(probe)) => {
                    run.deletion.probe = Some(probe);
                    let clean = probe.found == 0;
                    let outcome = if clean { Outcome::Done } else { Outcome::Failed };
                    let seq = self.note_deletion(&run.deletion, Phase::Complete { begin, outcome }).await?;
                    let day = run.deletion.day;
                    if !clean {
                        tracing::error!(%day, found = probe.found, "what was deleted can still be found; deleted again later");
                        self.catalogue().save_deletion(&run, by).await?;
                        continue;
                    }
                    let sightings = run.deletion.sightings();
                    self.catalogue().finish_deletion(&run, now, seq, by).await?;
                    run.finished = Some((now, seq));
                    self.deleted.fetch_add(gone.len() as u64, Ordering::Relaxed);
                    tracing::info!(%day, sightings, whole = run.deletion.whole, "sightings deleted: their time had come");
                    done.push(run);
                }
                Ok(None) => {
                    self.note_deletion(&run.deletion, Phase::Complete { begin, outcome: Outcome::Failed }).await?;
                }
                Err(fault) => {
                    self.note_deletion(&run.deletion, Phase::Complete { begin, outcome: Outcome::Failed }).await?;
                    first_fault.get_or_insert(fault);
                }
            }
        }
        erased?;
        first_fault.map_or(Ok(done), Err)
    }

    /// Rows and crops of a day, in this order: what has no row is in no answer.
    #[allow(clippy::result_large_err, reason = "a run that failed is noted as it stands, once a sweep at most")]
    async fn empty(
        &self,
        mut run: DeletionRun,
        begin: u64,
        again: bool,
        holds: &[Hold],
        now: ReceiveTime,
        by: &FencingToken,
    ) -> Result<Emptied, (DeletionRun, JanitorError)> {
        let (mut gone, mut sample) = (Vec::new(), Vec::new());
        loop {
            match self.catalogue().delete_due(&mut run, holds, now, by).await {
                Ok(chunk) if chunk.is_empty() => break,
                Ok(chunk) => {
                    for DeletedSighting { id, embedding } in chunk {
                        gone.push(id);
                        if sample.len() < SAMPLE {
                            sample.push(embedding);
                        }
                    }
                }
                Err(error) => return Err((run, error.into())),
            }
        }
        let day = run.deletion.day;
        let rest = async {
            if again || !gone.is_empty() {
                self.catalogue().delete_crops(day).await?;
            }
            Ok::<_, JanitorError>(())
        };
        match rest.await {
            Ok(()) => Ok(Emptied { run, begin, gone, sample }),
            Err(fault) => Err((run, fault)),
        }
    }

    /// How many days are later than they may be, and how many deletions did not come to their end.
    async fn count_overdue(&self) -> Result<u64, JanitorError> {
        let now = self.time.settled().await?.0;
        let late = |at: ReceiveTime| at.plus_micros(as_micros(self.retention.grace)) <= now;
        let schedules = self.schedules().await?;
        let shares = self.catalogue().shares().await?;
        let days: BTreeSet<Day> = shares.iter().filter(|s| s.ends(&schedules).is_some_and(late)).map(|s| s.day).collect();
        let open = self.catalogue().open_deletions().await?;
        let stuck = |r: &&DeletionRun| late(r.begun) || r.deletion.probe.is_some_and(|p| p.found > 0);
        Ok(days.len() as u64 + open.iter().filter(stuck).count() as u64)
    }

    /// By camera, as its owner says now.
    pub(crate) async fn schedules(&self) -> Result<BTreeMap<CameraId, Schedule>, JanitorError> {
        let cameras = self.catalogue().cameras().await?;
        Ok(cameras.into_iter().map(|c| (c.id, self.retention.of(&c.policy))).collect())
    }

    async fn note_deletion(&self, deletion: &Deletion, phase: Phase) -> Result<u64, JanitorError> {
        let entry = AuditEntry {
            at: self.now(),
            caller: None,
            action: Action::DeleteSightings,
            phase,
            case: None,
            detail: AuditDetail { deletion: Some(deletion.clone()), ..AuditDetail::default() },
            charge: None,
        };
        let receipt = self.store.log.append(entry).await;
        Ok(receipt?.seq)
    }
}
