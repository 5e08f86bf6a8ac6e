//! What happens to cases without anybody asking: an emergency that nobody authorised in time ends, and what was found
//! under a case that nobody agreed to goes. All of it is on the record, with no caller.

use std::{sync::Arc, time::Duration};

use access::{Action, AuditDetail, AuditEntry, AuditError, AuditLog, Outcome, Phase};
use async_trait::async_trait;
use catalogue::Catalogue;
use tokio_util::sync::CancellationToken;
use types::CaseId;

use crate::{
    app::App,
    fleet::turns,
    status::{Fault, chain},
};

/// How often it is looked for; [`access::decide()`] refuses an overdue emergency at once.
const EVERY: Duration = Duration::from_secs(30);

/// Something that keeps what was found under a case.
#[async_trait]
pub(crate) trait CasePurge: Send + Sync {
    /// Removes all of it, for good, and says how many things that were. Runs again after a crash: nothing to remove is no
    /// error.
    async fn purge(&self, case: &CaseId) -> Result<u64, Fault>;
}

/// What opens the commitments of a case: the words that were written, and their salts.
pub(crate) struct SealedWords(pub(crate) Catalogue);

#[async_trait]
impl CasePurge for SealedWords {
    async fn purge(&self, case: &CaseId) -> Result<u64, Fault> {
        let gone = self.0.erase_salts(case).await?;
        // Also where a run before this was cut off: the bytes lie about until the database is written anew.
        self.0.erase(&[]).await?;
        Ok(gone)
    }
}

/// What was handed out under a case, and what its requester thought of it. Before [`SealedWords`], which leaves no byte of it.
pub(crate) struct Marks(pub(crate) Catalogue);

#[async_trait]
impl CasePurge for Marks {
    async fn purge(&self, case: &CaseId) -> Result<u64, Fault> {
        Ok(self.0.forget_marks(case).await?)
    }
}

pub(crate) async fn sweep_regularly(app: Arc<App>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        if let Err(error) = app.sweep_cases().await {
            tracing::error!(error = %chain(&error), "overdue cases are not swept");
        }
    }
}

impl App {
    /// Ends the emergencies that are overdue and purges what must go.
    pub(crate) async fn sweep_cases(&self) -> Result<(), Fault> {
        let Some(_held) = self.store.fleet.turn(turns::CASES).await? else { return Ok(()) };
        // By a clock that leapt no emergency ends, and nothing goes.
        let now = self.settled().await?.0;
        for stored in self.catalogue().open_emergencies().await? {
            let mut after = stored.case.clone();
            if !after.lapse(self.gate.policy(), now) {
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
                Err(Fault::Catalogue(catalogue::CatalogueError::Conflict { .. })) => {}
                Err(fault) => return Err(fault),
            }
            self.rules_changed();
        }
        if self.catalogue().remind_of_cases(self.gate.policy(), now).await? > 0 {
            self.notify.changed();
        }
        for stored in self.catalogue().cases_to_purge(self.gate.policy(), now).await? {
            self.purge_case(stored.case.id()).await?;
        }
        Ok(())
    }

    /// Removes what was found under a case that nobody agreed to.
    pub(crate) async fn purge_case(&self, case: &CaseId) -> Result<(), Fault> {
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

    /// As [`App::recorded`], for what nobody asked for. How many things it was about goes on the record.
    async fn by_itself(
        &self,
        action: Action,
        case: &CaseId,
        work: impl AsyncFnOnce() -> Result<u64, Fault>,
    ) -> Result<(), Fault> {
        let entry = |phase, results| AuditEntry {
            at: self.now(),
            caller: None,
            action,
            phase,
            case: Some(case.clone()),
            detail: AuditDetail { results, ..AuditDetail::default() },
            charge: None,
        };
        let unrecorded = |error: AuditError| Fault::Gate(access::GateError::Audit(error));
        let begin = self.gate.log().append(entry(Phase::Begin, None)).await.map_err(unrecorded)?.seq;
        let done = work().await;
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
        let results = done.as_ref().ok().map(|n| u32::try_from(*n).unwrap_or(u32::MAX));
        self.gate.log().append(entry(Phase::Complete { begin, outcome }, results)).await.map_err(unrecorded)?;
        done.map(drop)
    }
}
