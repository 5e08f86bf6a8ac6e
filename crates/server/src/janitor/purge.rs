//! What happens to cases without anybody asking: an emergency that nobody authorised in time ends, and what was found
//! under a case that nobody agreed to goes. All of it is on the record, with no caller.

use std::{path::PathBuf, sync::Arc, time::Duration};

use access::{Action, AuditDetail, AuditEntry, AuditLog, Outcome, Phase, Policy};
use async_trait::async_trait;
use catalogue::{Catalogue, CatalogueError, lease_names};
use tokio_util::sync::CancellationToken;
use types::{CaseId, Chain, ReceiveTime};

use super::{error::JanitorError, settled::SettledTime};
use crate::{
    base::{clock::Clock, rules::Rules},
    copies::upgrade,
    notify::Notify,
    store::Store,
};

/// How often it is looked for; [`access::decide()`] refuses an overdue emergency at once.
const EVERY: Duration = Duration::from_secs(30);

/// Something that keeps what was found under a case.
#[async_trait]
trait CasePurge: Send + Sync {
    /// Removes all of it, for good, and says how many things that were. Runs again after a crash: nothing to remove is no
    /// error.
    async fn purge(&self, case: &CaseId) -> Result<u64, JanitorError>;
}

/// What opens the commitments of a case: the words that were written, and their salts.
struct SealedWords(Catalogue);

#[async_trait]
impl CasePurge for SealedWords {
    async fn purge(&self, case: &CaseId) -> Result<u64, JanitorError> {
        let gone = self.0.erase_salts(case).await?;
        // Also where a run before this was cut off: the bytes lie about until the database is written anew.
        self.0.erase(&[]).await?;
        Ok(gone)
    }
}

/// What was handed out under a case, and what its requester thought of it. Before [`SealedWords`], which leaves no byte of it.
struct Marks(Catalogue);

#[async_trait]
impl CasePurge for Marks {
    async fn purge(&self, case: &CaseId) -> Result<u64, JanitorError> {
        Ok(self.0.forget_marks(case).await?)
    }
}

pub(crate) async fn sweep_regularly(cases: Arc<CaseSweep>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        if let Err(error) = cases.sweep().await {
            tracing::error!(error = %Chain(&error), "overdue cases are not swept");
        }
    }
}

/// The copy from before an upgrade has what was found under a case too.
struct OldCopies(PathBuf);

#[async_trait]
impl CasePurge for OldCopies {
    async fn purge(&self, _: &CaseId) -> Result<u64, JanitorError> {
        let there = upgrade::is_kept(&self.0);
        upgrade::forget(&self.0)?;
        Ok(u64::from(there))
    }
}

/// Ends emergencies that are overdue, and purges cases.
pub(crate) struct CaseSweep {
    store: Arc<Store>,
    policy: Policy,
    time: Arc<SettledTime>,
    clock: Clock,
    notify: Arc<Notify>,
    rules: Arc<Rules>,
    purges: [Box<dyn CasePurge>; 3],
}

impl CaseSweep {
    pub(crate) fn new(
        store: Arc<Store>,
        policy: Policy,
        time: Arc<SettledTime>,
        clock: Clock,
        notify: Arc<Notify>,
        rules: Arc<Rules>,
    ) -> Self {
        let purges: [Box<dyn CasePurge>; 3] = [
            Box::new(Marks(store.catalogue.clone())),
            Box::new(SealedWords(store.catalogue.clone())),
            Box::new(OldCopies(store.data.clone())),
        ];
        Self { store, policy, time, clock, notify, rules, purges }
    }

    fn catalogue(&self) -> &Catalogue {
        &self.store.catalogue
    }

    fn now(&self) -> ReceiveTime {
        self.clock.now()
    }

    /// Ends the emergencies that are overdue and purges what must go.
    pub(crate) async fn sweep(&self) -> Result<(), JanitorError> {
        let Some(_held) = self.store.cluster.acquire(lease_names::CASES).await? else { return Ok(()) };
        // By a clock that leapt no emergency ends, and nothing goes.
        let now = self.time.settled().await?.0;
        for stored in self.catalogue().open_emergencies().await? {
            let mut after = stored.case.clone();
            if !after.lapse(&self.policy, now) {
                continue;
            }
            let id = stored.case.id();
            let ended = self.by_itself(Action::CloseCase, id, async || {
                self.catalogue().change_case(&stored, &after).await?;
                Ok(0)
            });
            match ended.await {
                Ok(()) => {
                    self.notify.changed();
                    tracing::info!(case = %id, "nobody authorised the emergency in time: closed");
                }
                // Somebody was faster; the next round sees what it is now.
                Err(JanitorError::Catalogue(CatalogueError::Conflict { .. })) => {}
                Err(fault) => return Err(fault),
            }
            self.rules.changed();
        }
        if self.catalogue().remind_of_cases(&self.policy, now).await? > 0 {
            self.notify.changed();
        }
        for stored in self.catalogue().cases_to_purge(&self.policy, now).await? {
            self.purge_case(stored.case.id()).await?;
        }
        Ok(())
    }

    /// Removes what was found under a case that nobody agreed to.
    pub(crate) async fn purge_case(&self, case: &CaseId) -> Result<(), JanitorError> {
        self.by_itself(Action::PurgeCase, case, async || {
            let mut gone = 0;
            for purge in &self.purges {
                gone += purge.purge(case).await?;
            }
            self.catalogue().set_case_purged(case, self.now()).await?;
            tracing::info!(%case, things = gone, "case purged");
            Ok(gone)
        })
        .await
    }

    /// Begins and ends on the record, with no caller. How many things it was about goes on the record.
    async fn by_itself(
        &self,
        action: Action,
        case: &CaseId,
        work: impl AsyncFnOnce() -> Result<u64, JanitorError>,
    ) -> Result<(), JanitorError> {
        let entry = |phase, results| AuditEntry {
            at: self.now(),
            caller: None,
            action,
            phase,
            case: Some(case.clone()),
            detail: AuditDetail { results, ..AuditDetail::default() },
            charge: None,
        };
        let begin = self.store.log.append(entry(Phase::Begin, None)).await?.seq;
        let done = work().await;
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
        let results = done.as_ref().ok().map(|n| u32::try_from(*n).unwrap_or(u32::MAX));
        self.store.log.append(entry(Phase::Complete { begin, outcome }, results)).await?;
        done.map(drop)
    }
}
