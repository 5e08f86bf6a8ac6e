use access::{Action, AuditDetail};
use catalogue::JobState;
use proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{audit_message, moment, party},
};
use crate::identity::caller;

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
}
