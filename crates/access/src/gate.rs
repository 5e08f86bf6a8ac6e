use types::{CaseId, ReceiveTime, SightingId};

use crate::{
    Action, AuditDetail, AuditEntry, AuditError, AuditLog, AuditReceipt, Caller, Case, CasePermit, Charge, Code, Denial, Example,
    Granted, Outcome, Permission, Phase, Policy, PooledCamera, SearchRequest, Undecided, decide, decide_keep_looking,
    decide_view,
};

/// The one way in: decides, writes down what it decided, and only then lets through.
#[derive(Debug)]
pub struct Gate<L> {
    policy: Policy,
    log: L,
}

/// Why nothing was let through.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Fail closed: what can't be recorded does not happen.
    #[error("the request could not be recorded, so it was not answered; try again")]
    Audit(#[source] AuditError),
}

/// A call that is on the record as begun. End it with [`Gate::complete`].
#[derive(Debug)]
#[must_use = "a call that began must be completed on the record"]
pub struct Begun {
    pub permission: Permission,
    receipt: AuditReceipt,
    caller: Option<Caller>,
    action: Action,
    case: Option<CaseId>,
}

impl Begun {
    pub fn receipt(&self) -> &AuditReceipt {
        &self.receipt
    }
}

/// What a caller does with what a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searching {
    /// Looks at it once.
    Once,
    /// Hands it out for good.
    Export,
    /// Goes on for as long as they listen, for the purposes that allow it.
    KeepLooking,
}

impl Searching {
    const fn action(self) -> Action {
        match self {
            Self::Once => Action::Search,
            Self::Export => Action::Export,
            Self::KeepLooking => Action::KeepLooking,
        }
    }
}

impl<L: AuditLog> Gate<L> {
    pub fn new(policy: Policy, log: L) -> Self {
        Self { policy, log }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn log(&self) -> &L {
        &self.log
    }

    /// Leave to search, or for what reaches as far as a search at the same price. `case` is what the catalogue has under `id`;
    /// `cameras` are all that are pooled, read for this request; a sighting as `example` is for the search itself to check, with
    /// [`CasePermit::covers_example`]. Whoever exports named sightings holds each against [`CasePermit::covers`].
    #[expect(clippy::too_many_arguments, reason = "all of it decides, and a struct would only be taken apart here")]
    pub async fn permit(
        &self,
        what: Searching,
        id: &CaseId,
        case: Option<&Case>,
        cameras: &[PooledCamera],
        request: &SearchRequest,
        example: Option<&Example>,
        caller: &Caller,
        now: ReceiveTime,
    ) -> Result<CasePermit, GateError> {
        let action = what.action();
        // The role comes first, so that who may never search learns nothing about cases.
        let decision = action.check_role(caller).and_then(|_| match case {
            Some(case) if what == Searching::KeepLooking => {
                decide_keep_looking(&self.policy, case, cameras, request, caller, now)
            }
            Some(case) => decide(&self.policy, case, cameras, request, caller, now),
            None => Err(Denial::no_case(id)),
        });
        let detail = AuditDetail::of_request(request, example);
        self.mint(action, id, case, decision, detail, Taken { queries: 1, results: None }, caller, now).await
    }

    /// Leave to look at one sighting, which counts as a result of the case. `sighting` is what the catalogue has under the id
    /// asked for.
    #[expect(clippy::too_many_arguments, reason = "all of it decides, and a struct would only be taken apart here")]
    pub async fn permit_view(
        &self,
        id: &CaseId,
        case: Option<&Case>,
        cameras: &[PooledCamera],
        sighting_id: SightingId,
        sighting: Option<&Undecided>,
        caller: &Caller,
        now: ReceiveTime,
    ) -> Result<CasePermit, GateError> {
        self.view(id, case, cameras, sighting_id, sighting, caller, now, 1).await
    }

    /// As [`Self::permit_view`], of a sighting that was handed out as a result of the case before: it counts once.
    #[expect(clippy::too_many_arguments, reason = "as above")]
    pub async fn permit_view_again(
        &self,
        id: &CaseId,
        case: Option<&Case>,
        cameras: &[PooledCamera],
        sighting_id: SightingId,
        sighting: Option<&Undecided>,
        caller: &Caller,
        now: ReceiveTime,
    ) -> Result<CasePermit, GateError> {
        self.view(id, case, cameras, sighting_id, sighting, caller, now, 0).await
    }

    #[expect(clippy::too_many_arguments, reason = "the shared body of the two above")]
    async fn view(
        &self,
        id: &CaseId,
        case: Option<&Case>,
        cameras: &[PooledCamera],
        sighting_id: SightingId,
        sighting: Option<&Undecided>,
        caller: &Caller,
        now: ReceiveTime,
        results: u32,
    ) -> Result<CasePermit, GateError> {
        let decision = Action::GetCrop.check_role(caller).and_then(|_| match (case, sighting) {
            (Some(case), Some(sighting)) => decide_view(&self.policy, case, cameras, sighting.sighting(), caller, now),
            // A sighting that is not there is answered like one out of scope, for those who may ask at all.
            (Some(case), None) => {
                decide(&self.policy, case, cameras, &SearchRequest { limit: 1, ..SearchRequest::default() }, caller, now)
                    .and_then(|_| Err(Denial::outside(id)))
            }
            (None, _) => Err(Denial::no_case(id)),
        });
        let detail = AuditDetail { sighting: Some(sighting_id), ..AuditDetail::default() };
        let taken = Taken { queries: 0, results: Some(results) };
        self.mint(Action::GetCrop, id, case, decision, detail, taken, caller, now).await
    }

    #[expect(clippy::too_many_arguments, reason = "the shared end of the two above")]
    async fn mint(
        &self,
        action: Action,
        id: &CaseId,
        case: Option<&Case>,
        decision: Result<Granted, Denial>,
        mut detail: AuditDetail,
        taken: Taken,
        caller: &Caller,
        now: ReceiveTime,
    ) -> Result<CasePermit, GateError> {
        let entry = |phase, detail, charge| AuditEntry {
            at: now,
            caller: Some(caller.clone()),
            action,
            phase,
            case: Some(id.clone()),
            detail,
            charge,
        };
        let (granted, case) = match (decision, case) {
            (Ok(granted), Some(case)) => (granted, case),
            (decision, _) => {
                let denial = decision.err().unwrap_or_else(|| Denial::no_case(id));
                return Err(self.refuse(entry(Phase::Denied { code: denial.code }, detail, None), denial).await);
            }
        };
        detail.cameras = granted.asked.cameras.clone();
        detail.left_out = AuditDetail::of_left_out(&granted.left_out);
        detail.window = Some(granted.asked.window);
        detail.emergency = granted.emergency;
        let results = taken.results.unwrap_or(granted.limit);
        let within = case.grant.budgets;
        let charge = (taken.queries > 0 || results > 0).then_some(Charge::Take { queries: taken.queries, results, within });
        if let Some(denial) = too_large(&entry(Phase::Begin, detail.clone(), charge)) {
            return Err(self.refuse(entry(Phase::Denied { code: denial.code }, detail, None), denial).await);
        }
        match self.log.append(entry(Phase::Begin, detail.clone(), charge)).await {
            Ok(receipt) => Ok(CasePermit::mint(action, id.clone(), caller.clone(), granted, receipt, results)),
            Err(exhausted @ AuditError::Exhausted { .. }) => {
                let hint = "ask for fewer results, or open a new case";
                let denial = Denial::new(Code::Budget, exhausted.to_string(), hint);
                Err(self.refuse(entry(Phase::Denied { code: Code::Budget }, detail, None), denial).await)
            }
            Err(unwitnessed @ AuditError::Unwitnessed { .. }) => {
                let hint = "nothing is wrong with the request: have the operator see why the witnesses do not answer";
                let denial = Denial::new(Code::Unwitnessed, unwitnessed.to_string(), hint);
                Err(self.refuse(entry(Phase::Denied { code: Code::Unwitnessed }, detail, None), denial).await)
            }
            Err(error) => Err(GateError::Audit(error)),
        }
    }

    /// A call other than reading sightings: checks the role and records that it begins. What is [`Permission::Own`] is for
    /// the caller to check; refuse it with [`Self::deny`].
    pub async fn begin(
        &self,
        action: Action,
        case: Option<&CaseId>,
        detail: AuditDetail,
        caller: &Caller,
        now: ReceiveTime,
    ) -> Result<Begun, GateError> {
        match action.check_role(caller) {
            Ok(permission) => {
                let (caller, case) = (Some(caller.clone()), case.cloned());
                let entry = AuditEntry {
                    at: now,
                    caller: caller.clone(),
                    action,
                    phase: Phase::Begin,
                    case: case.clone(),
                    detail,
                    charge: None,
                };
                if let Some(denial) = too_large(&entry) {
                    let phase = Phase::Denied { code: denial.code };
                    return Err(self.refuse(AuditEntry { phase, ..entry }, denial).await);
                }
                let receipt = self.log.append(entry).await.map_err(GateError::Audit)?;
                Ok(Begun { permission, receipt, caller, action, case })
            }
            Err(denial) => Err(self.deny(action, case, detail, caller, denial, now).await),
        }
    }

    /// Records a refusal that was decided elsewhere and hands it back as the error to answer with.
    pub async fn deny(
        &self,
        action: Action,
        case: Option<&CaseId>,
        detail: AuditDetail,
        caller: &Caller,
        denial: Denial,
        now: ReceiveTime,
    ) -> GateError {
        let phase = Phase::Denied { code: denial.code };
        let entry =
            AuditEntry { at: now, caller: Some(caller.clone()), action, phase, case: case.cloned(), detail, charge: None };
        self.refuse(entry, denial).await
    }

    async fn refuse(&self, mut entry: AuditEntry, denial: Denial) -> GateError {
        // What does not fit is left out: that it was refused must not be.
        if too_large(&entry).is_some() {
            entry.detail = AuditDetail::default();
        }
        match self.log.append(entry).await {
            Ok(_) => GateError::Denied(denial),
            Err(error) => GateError::Audit(error),
        }
    }

    /// Ends a call on the record.
    pub async fn complete(
        &self,
        begun: Begun,
        outcome: Outcome,
        detail: AuditDetail,
        now: ReceiveTime,
    ) -> Result<AuditReceipt, GateError> {
        let phase = Phase::Complete { begin: begun.receipt.seq, outcome };
        let entry =
            AuditEntry { at: now, caller: begun.caller, action: begun.action, phase, case: begun.case, detail, charge: None };
        self.log.append(entry).await.map_err(GateError::Audit)
    }

    /// Ends a search on the record, with the ids of what it hands out, and gives back the rest; the permit is gone.
    pub async fn complete_search(
        &self,
        permit: CasePermit,
        outcome: Outcome,
        handed: &[SightingId],
        now: ReceiveTime,
    ) -> Result<AuditReceipt, GateError> {
        let detail = AuditDetail { handed: handed.to_vec(), ..AuditDetail::of_results(handed) };
        self.end(permit, outcome, detail, now).await
    }

    /// As [`Self::complete_search`], with the SHA-256 of the export's manifest where it was handed out whole.
    pub async fn complete_export(
        &self,
        permit: CasePermit,
        outcome: Outcome,
        handed: &[SightingId],
        manifest: Option<[u8; 32]>,
        now: ReceiveTime,
    ) -> Result<AuditReceipt, GateError> {
        let (export_sha256, handed_out) = (manifest.map(hex::encode), handed.to_vec());
        let detail = AuditDetail { export_sha256, handed: handed_out, ..AuditDetail::of_results(handed) };
        self.end(permit, outcome, detail, now).await
    }

    async fn end(
        &self,
        permit: CasePermit,
        outcome: Outcome,
        detail: AuditDetail,
        now: ReceiveTime,
    ) -> Result<AuditReceipt, GateError> {
        let (action, case, caller, begin, reserved) = permit.into_parts();
        let unused = reserved.saturating_sub(detail.results.unwrap_or_default());
        let entry = AuditEntry {
            at: now,
            caller: Some(caller),
            action,
            phase: Phase::Complete { begin: begin.seq, outcome },
            case: Some(case),
            detail,
            charge: (unused > 0).then_some(Charge::GiveBack { results: unused }),
        };
        self.log.append(entry).await.map_err(GateError::Audit)
    }

    /// Ends a viewing on the record, and gives back what was taken for one that showed nothing; the permit is gone.
    pub async fn complete_view(
        &self,
        permit: CasePermit,
        outcome: Outcome,
        shown: SightingId,
        now: ReceiveTime,
    ) -> Result<AuditReceipt, GateError> {
        let handed = if outcome == Outcome::Done { vec![shown] } else { Vec::new() };
        let (action, case, caller, begin, reserved) = permit.into_parts();
        let unused = if outcome == Outcome::Done { 0 } else { reserved };
        let entry = AuditEntry {
            at: now,
            caller: Some(caller),
            action,
            phase: Phase::Complete { begin: begin.seq, outcome },
            case: Some(case),
            detail: AuditDetail { handed, ..AuditDetail::default() },
            charge: (unused > 0).then_some(Charge::GiveBack { results: unused }),
        };
        self.log.append(entry).await.map_err(GateError::Audit)
    }
}

/// What a permit takes from the budgets of its case.
struct Taken {
    queries: u32,
    /// `None`: as many as it may hand out.
    results: Option<u32>,
}

/// A request that no entry of the record can hold: what can't be recorded does not happen, and that it was asked is recorded.
fn too_large(entry: &AuditEntry) -> Option<Denial> {
    let fits = entry.to_bytes().map_or(true, |bytes| bytes.len() <= crate::log::MAX_ENTRY);
    (!fits).then(|| {
        let reason = "the request names more than an entry of the record can hold";
        Denial::new(Code::TooLarge, reason, "name fewer cameras, or ask in several parts")
    })
}
