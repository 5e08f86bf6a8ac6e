use access::{Action, AuditDetail, Caller};
use catalogue::{JobState, RevokedIdentity};
use proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{audit_message, moment, party, revocation},
};
use crate::{identity::caller, status::Fault};

#[tonic::async_trait]
impl AdminService for Api {
    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .0
            .recorded(&caller, Action::Status, None, AuditDetail::default(), async |_| {
                let catalogue = self.0.catalogue();
                let jobs = catalogue.jobs(u32::MAX).await?;
                let count = |state: JobState| jobs.iter().filter(|j| j.state == state).count() as u64;
                Ok(v1::StatusResponse {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    started: moment(self.0.started),
                    agencies: catalogue.agencies().await?.len() as u64,
                    cameras: catalogue.cameras().await?.len() as u64,
                    sightings: catalogue.sighting_count().await?,
                    jobs_queued: count(JobState::Queued),
                    jobs_running: count(JobState::Running),
                    model_sha256: self.0.store.model.to_string(),
                    caller: Some(party(&caller)),
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let caller = caller(&request)?;
        let repair = request.into_inner().repair;
        let action = if repair { Action::Repair } else { Action::Check };
        let answer = self
            .0
            .recorded(&caller, action, None, AuditDetail::default(), async |_| Ok(self.0.store.check(repair).await?))
            .await?;
        Ok(Response::new(answer))
    }

    async fn rebuild_index(
        &self,
        request: Request<v1::RebuildIndexRequest>,
    ) -> Result<Response<v1::RebuildIndexResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .0
            .recorded(&caller, Action::RebuildIndex, None, AuditDetail::default(), async |_| {
                Ok(self.0.store.rebuild_index().await?)
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn list_audit(&self, request: Request<v1::ListAuditRequest>) -> Result<Response<v1::ListAuditResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let limit = if request.limit == 0 { 100 } else { request.limit.min(1000) };
        let entries = self
            .0
            .recorded(&caller, Action::ListAudit, None, AuditDetail::default(), async |_| {
                Ok(self.0.catalogue().audit_since(request.after_seq, None, limit).await?)
            })
            .await?;
        Ok(Response::new(v1::ListAuditResponse { entries: entries.into_iter().map(audit_message).collect() }))
    }

    async fn revoke_certificate(
        &self,
        request: Request<v1::RevokeCertificateRequest>,
    ) -> Result<Response<v1::RevokeCertificateResponse>, Status> {
        let caller = caller(&request)?;
        let v1::RevokeCertificateRequest { serial, uri } = request.into_inner();
        let well_formed = (1..=40).contains(&serial.len()) && serial.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let detail = AuditDetail { serial: well_formed.then(|| serial.clone()), ..AuditDetail::default() };
        let revoked = self
            .0
            .recorded(&caller, Action::RevokeIdentity, None, detail, async |_| {
                if !well_formed {
                    let hint = "`sightline identity list` shows the serial numbers";
                    return Err(Fault::invalid("serial", "a serial number is 1 to 40 of 0-9 and a-f", hint));
                }
                let hint = "name whom the certificate names: sightline://ORGANISATION/ROLE/NAME";
                let whom = Caller::from_uri(&uri).map_err(|e| Fault::invalid("uri", e.to_string(), hint))?;
                let by = Some((*caller).clone());
                let revoked = RevokedIdentity { serial: serial.clone(), caller: whom, at: self.0.now(), by };
                self.0.catalogue().revoke_identity(&revoked).await?;
                self.0.callers.revoke(&serial);
                Ok(revoked)
            })
            .await?;
        Ok(Response::new(v1::RevokeCertificateResponse { revocation: Some(revocation(&revoked)) }))
    }

    async fn list_revocations(
        &self,
        request: Request<v1::ListRevocationsRequest>,
    ) -> Result<Response<v1::ListRevocationsResponse>, Status> {
        let caller = caller(&request)?;
        let revoked = self
            .0
            .recorded(&caller, Action::ListIdentities, None, AuditDetail::default(), async |_| {
                Ok(self.0.catalogue().revoked_identities().await?)
            })
            .await?;
        Ok(Response::new(v1::ListRevocationsResponse { revocations: revoked.iter().map(revocation).collect() }))
    }
}
