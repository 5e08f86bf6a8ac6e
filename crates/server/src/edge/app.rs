//! What every service shares, and the one way a call runs: begin on the record, work, complete on the record.

use std::sync::{Arc, atomic::Ordering};

use access::{Action, AuditDetail, Caller, Case, Gate, Outcome, Permission, PooledCamera};
use catalogue::Catalogue;
use deployment::Home;
use search::Searcher;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;
use tracing::Instrument as _;
use types::{CaseId, ReceiveTime, SightingId};

use crate::{
    base::{clock::Clock, rules::Rules},
    config::Config,
    credentials::{grant_keys::GrantKeys, known::KnownCertificates},
    edge::{
        callers::{Callers, Throttle},
        marking::Marking,
        status::{Fault, status},
    },
    janitor::{purge::CaseSweep, retention::Deleter, settled::SettledTime},
    jobs::Jobs,
    live::LiveCameras,
    notify::Notify,
    query::{handed_out::HandedOut, picture::PictureReader},
    record::health::RecordHealth,
    recorders::Recorders,
    store::Store,
};

pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) gate: Gate<Marking>,
    pub(crate) keys: GrantKeys,
    pub(crate) certificates: Arc<KnownCertificates>,
    /// Where the list of issued certificates is, if the authority is on this machine.
    pub(crate) home: Home,
    pub(crate) pictures: PictureReader,
    pub(crate) handed_out: HandedOut,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) live: Arc<LiveCameras>,
    pub(crate) recorders: Arc<Recorders>,
    pub(crate) config: Config,
    pub(crate) callers: Arc<Callers>,
    /// Entries about people without a name.
    pub(crate) unauthenticated: Throttle,
    pub(crate) clock: Clock,
    /// How those are told who answer for cases.
    pub(crate) notify: Arc<Notify>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) time: Arc<SettledTime>,
    pub(crate) cases: Arc<CaseSweep>,
    pub(crate) retention: Arc<Deleter>,
    pub(crate) record_health: RecordHealth,
    pub(crate) started: ReceiveTime,
    /// The server is going down: streams end.
    pub(crate) stop: CancellationToken,
    /// What goes on when its call is answered, and still writes to the record: a stop waits for it.
    pub(crate) detached: TaskTracker,
}

impl App {
    /// The first of these that nobody was given under the case, or that is gone.
    pub(crate) async fn not_handed_out(&self, case: &CaseId, ids: &[SightingId]) -> Result<Option<SightingId>, Fault> {
        let mut unknown: Vec<_> = ids.iter().copied().filter(|id| !self.handed_out.has(case, *id)).collect();
        if unknown.is_empty() {
            return Ok(None);
        }
        let known = self.catalogue().handed_out(case, &unknown).await?;
        self.handed_out.note(case, &known);
        unknown.retain(|id| !known.contains(id));
        Ok(unknown.first().copied())
    }

    /// Goes on by itself, within the span of the call that began it.
    pub(crate) fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.detached.spawn(task.in_current_span());
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.store.catalogue
    }

    /// Searches the index that is searched now, to the end of one question.
    pub(crate) fn searcher(&self) -> Searcher {
        Searcher::new(self.store.feed.index(), self.catalogue().clone())
    }

    /// For what is refused or allowed; what can't be undone goes by [`SettledTime::settled`].
    pub(crate) fn now(&self) -> ReceiveTime {
        self.clock.now()
    }

    /// Tells the health of the record, as the store has it now.
    pub(crate) async fn tell_record_health(&self) {
        self.record_health.tell(self.store.differs.load(Ordering::Relaxed)).await;
    }

    /// Every pooled camera with its owner's policy, asked for anew for each decision.
    pub(crate) async fn pooled(&self) -> Result<Arc<[PooledCamera]>, Fault> {
        Ok(self.catalogue().pooled_cameras().await?)
    }

    /// What decides over reading sightings, asked for anew each time: the case, and what [`Self::pooled`] says.
    pub(crate) async fn case_and_cameras(&self, id: &CaseId) -> Result<(Option<Case>, Arc<[PooledCamera]>), Fault> {
        let (case, cameras) = self.catalogue().case_and_cameras(id).await?;
        Ok((case.map(|stored| stored.case), cameras))
    }

    /// Runs a call other than reading sightings. The role is checked and the begin is durable before `work` starts; how it
    /// ended is durable before the answer leaves.
    pub(crate) async fn recorded<T>(
        &self,
        caller: &Caller,
        action: Action,
        case: Option<&CaseId>,
        detail: AuditDetail,
        work: impl AsyncFnOnce(Permission) -> Result<T, Fault>,
    ) -> Result<T, Status> {
        let work = async |permission| Ok((work(permission).await?, AuditDetail::default()));
        self.recorded_with(caller, action, case, detail, work).await
    }

    /// As [`Self::recorded`]; the work also says what is to stand in the entry that ends the call.
    pub(crate) async fn recorded_with<T>(
        &self,
        caller: &Caller,
        action: Action,
        case: Option<&CaseId>,
        detail: AuditDetail,
        work: impl AsyncFnOnce(Permission) -> Result<(T, AuditDetail), Fault>,
    ) -> Result<T, Status> {
        let told = |fault| status(action, fault);
        let begun = self.gate.begin(action, case, detail.clone(), caller, self.now()).await.map_err(|e| told(e.into()))?;
        let done = work(begun.permission).await;
        let done = match done {
            // A refusal is on the record as one, with its code.
            Err(Fault::Denied(denial)) => {
                Err(Fault::Gate(self.gate.deny(action, case, detail, caller, denial, self.now()).await))
            }
            other => other,
        };
        let (answer, outcome, ending) = match done {
            Ok((answer, ending)) => (Ok(answer), Outcome::Done, ending),
            Err(fault) => (Err(fault), Outcome::Failed, AuditDetail::default()),
        };
        let end = self.gate.complete(begun, outcome, ending, self.now()).await;
        let answer = answer.map_err(told)?;
        end.map_err(|e| told(e.into()))?;
        Ok(answer)
    }
}
