use std::str::FromStr;

use access::{
    Action, Assertion, AuditDetail, Caller, Case, Code as Why, Denial, Grant, GrantSignature, Matter, Proof, Role, check_open,
    decide_preview, may_see_case,
};
use catalogue::{CatalogueError, StoredCase};
use proto::v1::{self, case_service_server::CaseService};
use tonic::{Request, Response, Status};
use types::{CaseId, ReceiveTime};

use super::{
    Api,
    case_watch::CaseEvents,
    convert::{budgets_from, case_message, purpose_from, receive_time, scope_from, state_from},
};
use crate::{
    edge::{
        identity::caller,
        paging::{MOST, Page},
        status::{Fault, status},
    },
    record::log::sealed,
};

#[tonic::async_trait]
impl CaseService for Api {
    async fn open_case(&self, request: Request<v1::OpenCaseRequest>) -> Result<Response<v1::OpenCaseResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = match request.id.as_str() {
            "" => new_id(),
            id => CaseId::new(id),
        };
        let id = id.map_err(|e| status(Action::OpenCase, Fault::Message(e.into())))?;
        let detail = AuditDetail::default()
            .seal(sealed(Matter::LegalBasis, &request.legal_basis))
            .seal(sealed(Matter::Reason, &request.reason))
            .seal(sealed(Matter::Emergency, &request.emergency));
        let case = self
            .0
            .recorded_with(&caller, Action::OpenCase, Some(&id), detail, async |_| {
                let purpose = purpose_from("purpose", request.purpose)?;
                let limits = self.0.gate.policy().limits(purpose);
                let opened = self.0.now();
                let latest = opened.plus_micros(i64::try_from(limits.duration.as_micros()).unwrap_or(i64::MAX));
                let grant = Grant {
                    case: id.clone(),
                    purpose,
                    legal_basis: request.legal_basis,
                    reason: request.reason,
                    requester: (*caller).clone(),
                    scope: scope_from(request.scope)?,
                    budgets: budgets_from(request.budget, limits),
                    opened,
                    expires: receive_time("expires", request.expires)?.unwrap_or(latest),
                    emergency: Some(request.emergency).filter(|e| !e.is_empty()),
                };
                check_open(self.0.gate.policy(), &grant, &self.0.pooled().await?, &caller, opened)?;
                let ending = granted(&grant);
                match self.0.catalogue().add_case_within(self.0.gate.policy(), &Case::requested(grant)).await {
                    Ok(added) => {
                        self.0.notify.changed();
                        Ok((added, ending))
                    }
                    Err(CatalogueError::Denied(denial)) => Err(denial.into()),
                    Err(error) => Err(error.into()),
                }
            })
            .await?;
        Ok(Response::new(v1::OpenCaseResponse { case: Some(case_message(self.0.gate.policy(), &case)) }))
    }

    async fn authorise_case(
        &self,
        request: Request<v1::AuthoriseCaseRequest>,
    ) -> Result<Response<v1::AuthoriseCaseResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = id(Action::AuthoriseCase, &request.case_id)?;
        let case = self
            .0
            .recorded_with(&caller, Action::AuthoriseCase, Some(&id), AuditDetail::default(), async |_| {
                let before = self.stored(&id).await?;
                let proof = match request.passkey {
                    Some(signed) => self.passkey_proof(&caller, &before.case.grant, signed)?,
                    None => self.key_proof(&caller, &before.case.grant, request.signature)?,
                };
                let mut after = before.case.clone();
                after.authorise(self.0.gate.policy(), &caller, proof, self.0.now())?;
                let ending = granted(&after.grant);
                let authorised = self.0.catalogue().change_case(&before, &after).await?;
                self.0.notify.changed();
                Ok((authorised, ending))
            })
            .await?;
        Ok(Response::new(v1::AuthoriseCaseResponse { case: Some(case_message(self.0.gate.policy(), &case)) }))
    }

    async fn preview_case(&self, request: Request<v1::PreviewCaseRequest>) -> Result<Response<v1::PreviewCaseResponse>, Status> {
        let caller = caller(&request)?;
        let id = id(Action::PreviewCase, &request.into_inner().case_id)?;
        let counted = self
            .0
            .recorded(&caller, Action::PreviewCase, Some(&id), AuditDetail::default(), async |_| {
                let (case, cameras) = self.0.case_and_cameras(&id).await?;
                let case = case.ok_or_else(|| Denial::no_case(&id))?;
                let preview = decide_preview(self.0.gate.policy(), &case, &cameras, &caller, self.0.now())?;
                Ok(self.0.catalogue().magnitude(&preview).await?)
            })
            .await?;
        Ok(Response::new(v1::PreviewCaseResponse { fewer_than: counted.fewer_than().unwrap_or_default() }))
    }

    async fn get_case(&self, request: Request<v1::GetCaseRequest>) -> Result<Response<v1::GetCaseResponse>, Status> {
        let caller = caller(&request)?;
        let id = id(Action::GetCase, &request.into_inner().case_id)?;
        let case = self
            .0
            .recorded(&caller, Action::GetCase, Some(&id), AuditDetail::default(), async |_| {
                let stored = self.stored(&id).await?;
                if may_see_case(&stored.case, &caller) { Ok(stored) } else { Err(Denial::no_case(&id).into()) }
            })
            .await?;
        Ok(Response::new(v1::GetCaseResponse { case: Some(case_message(self.0.gate.policy(), &case)) }))
    }

    async fn list_cases(&self, request: Request<v1::ListCasesRequest>) -> Result<Response<v1::ListCasesResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (cases, next_page_token) = self
            .0
            .recorded(&caller, Action::ListCases, None, AuditDetail::default(), async |_| {
                let state = state_from(request.state)?;
                let page = Page::of("cases", request.state, request.page_size, MOST, &request.page_token)?;
                let own = (caller.role == Role::Investigator).then(|| caller.organisation.as_str());
                let cases = self.0.catalogue().cases_page(state, own, page.after.as_ref(), page.rows()).await?;
                Ok(page.cut(
                    cases,
                    |(_, place)| place.clone(),
                    |(case, _)| {
                        let stored = case?;
                        // The columns that chose it are copies.
                        let case = &stored.case;
                        let shown = may_see_case(case, &caller) && state.is_none_or(|state| case.state() == state);
                        shown.then(|| case_message(self.0.gate.policy(), &stored))
                    },
                ))
            })
            .await?;
        Ok(Response::new(v1::ListCasesResponse { cases, next_page_token }))
    }

    type WatchCasesStream = CaseEvents;

    async fn watch_cases(&self, request: Request<v1::WatchCasesRequest>) -> Result<Response<CaseEvents>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.watch_cases_as(caller, request.into_inner().after).await?))
    }

    async fn close_case(&self, request: Request<v1::CloseCaseRequest>) -> Result<Response<v1::CloseCaseResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = id(Action::CloseCase, &request.case_id)?;
        let detail = AuditDetail::default().seal(sealed(Matter::Reason, &request.reason));
        let case = self
            .0
            .recorded(&caller, Action::CloseCase, Some(&id), detail, async |_| {
                let before = self.stored(&id).await?;
                let mut after = before.case.clone();
                after.close(&caller, &request.reason, self.0.now())?;
                let closed = self.0.catalogue().change_case(&before, &after).await?;
                self.0.rules.changed();
                self.0.notify.changed();
                Ok(closed)
            })
            .await?;
        Ok(Response::new(v1::CloseCaseResponse { case: Some(case_message(self.0.gate.policy(), &case)) }))
    }

    async fn refuse_case(&self, request: Request<v1::RefuseCaseRequest>) -> Result<Response<v1::RefuseCaseResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let id = id(Action::RefuseCase, &request.case_id)?;
        let detail = AuditDetail::default().seal(sealed(Matter::Reason, &request.reason));
        let case = self
            .0
            .recorded(&caller, Action::RefuseCase, Some(&id), detail, async |_| {
                let before = self.stored(&id).await?;
                let mut after = before.case.clone();
                after.refuse(self.0.gate.policy(), &caller, &request.reason, self.0.now())?;
                let refused = self.0.catalogue().change_case(&before, &after).await?;
                self.0.rules.changed();
                self.0.notify.changed();
                // Where this is cut off, the next sweep does it again.
                self.0.cases.purge_case(&id).await?;
                Ok(refused)
            })
            .await?;
        Ok(Response::new(v1::RefuseCaseResponse { case: Some(case_message(self.0.gate.policy(), &case)) }))
    }

    async fn set_marks(&self, request: Request<v1::SetMarksRequest>) -> Result<Response<v1::SetMarksResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.set_marks_as(&caller, request.into_inner()).await?))
    }

    async fn list_marks(&self, request: Request<v1::ListMarksRequest>) -> Result<Response<v1::ListMarksResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.list_marks_as(&caller, request.into_inner()).await?))
    }

    async fn list_case_calls(
        &self,
        request: Request<v1::ListCaseCallsRequest>,
    ) -> Result<Response<v1::ListCaseCallsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(self.list_case_calls_as(&caller, request.into_inner()).await?))
    }
}

impl Api {
    pub(super) async fn stored(&self, id: &CaseId) -> Result<StoredCase, Fault> {
        self.0.catalogue().case(id).await?.ok_or_else(|| Denial::no_case(id).into())
    }
}

/// The case a request names; one that can't be read is as good as one that is not there.
pub(super) fn id(action: Action, text: &str) -> Result<CaseId, Status> {
    if text.is_empty() {
        return Err(status(action, Fault::Message(proto::BadMessage::Missing { field: "case_id" })));
    }
    CaseId::from_str(text).map_err(|e| status(action, Fault::Message(e.into())))
}

/// The very grant that was opened or signed, for the entry that ends the call.
fn granted(grant: &Grant) -> AuditDetail {
    AuditDetail::default().seal(sealed(Matter::Grant, hex::encode(grant.digest())))
}

fn new_id() -> Result<CaseId, types::IdError> {
    let date = ReceiveTime::now().to_datetime().format("%Y%m%d");
    CaseId::new(&format!("case-{date}-{:08x}", rand::random::<u32>()))
}

/// What shows that an authoriser signed, as the request has it. Whether it counts is decided with the case.
impl Api {
    /// While one key takes over from another it is the one that signed; where none did, the first, so that the refusal says why not.
    fn key_proof(&self, caller: &Caller, grant: &Grant, signature: Vec<u8>) -> Result<Proof, Fault> {
        let signature = signature.try_into().map(GrantSignature).map_err(|_| {
            let hint = "sign the case as it stands: `sightline case authorise`";
            Fault::invalid("bad_signature", "a signature is 64 bytes", hint)
        })?;
        let keys = self.0.keys.of(caller, self.0.now());
        let proofs = keys.into_iter().map(|key| Proof::Key { key, signature });
        fitting(proofs, grant).ok_or_else(|| {
            let reason = format!("this deployment knows no grant key of {caller} that counts now");
            Denial::new(Why::BadSignature, reason, "have an operator add the authoriser's public key to pki/grant-keys").into()
        })
    }

    fn passkey_proof(&self, caller: &Caller, grant: &Grant, signed: v1::PasskeyAssertion) -> Result<Proof, Fault> {
        let v1::PasskeyAssertion { authenticator_data, client_data, signature } = signed;
        let assertion = Assertion { authenticator_data, client_data, signature };
        let passkeys = self.0.keys.passkeys_of(caller, self.0.now());
        let proofs = passkeys.into_iter().map(|passkey| Proof::Passkey { passkey, assertion: assertion.clone() });
        fitting(proofs, grant).ok_or_else(|| {
            let reason = format!("this deployment knows no passkey of {caller} that counts now");
            let hint = "have an operator put the passkey's file into pki/grant-keys; docs/console.md says how";
            Denial::new(Why::BadSignature, reason, hint).into()
        })
    }
}

/// The proof that fits; where none does, the first.
fn fitting(proofs: impl Iterator<Item = Proof>, grant: &Grant) -> Option<Proof> {
    let mut first = None;
    for proof in proofs {
        if proof.verify(grant).is_ok() {
            return Some(proof);
        }
        first.get_or_insert(proof);
    }
    first
}
