use std::collections::{BTreeMap, HashSet};

use access::{Action, AuditDetail, Caller, Code as Why, Denial, Matter, Role};
use catalogue::RevokedIdentity;
use indexer::reindex::{self, ModelChange, ReindexError};
use prost_types::Timestamp;
use proto::v1::{self, admin_service_server::AdminService};
use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{moment, party, revocation},
};
use deployment::IssuedIdentity;

use crate::{
    base::machine::Machine,
    edge::{identity::caller, status::Fault},
    record::log::sealed,
    store::Rebuilt,
};

/// Certificates that are told of at once.
const MOST_CERTIFICATES: usize = 1_000;
/// A certificate that ended is told of for so long, in seconds: whoever still needs one has asked for it by then.
const TOLD_ENDED: i64 = 30 * 86_400;

#[tonic::async_trait]
impl AdminService for Api {
    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .0
            .recorded(&caller, Action::Status, None, AuditDetail::default(), async |_| {
                let catalogue = self.0.catalogue();
                let (operates, config) = (caller.role == Role::Operator, &self.0.config);
                let jobs = catalogue.job_counts(None).await?;
                Ok(v1::StatusResponse {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    started: moment(self.0.started),
                    agencies: catalogue.agencies().await?.len() as u64,
                    cameras: catalogue.camera_count().await?,
                    sightings: catalogue.sighting_count().await?,
                    jobs_queued: jobs.queued,
                    jobs_running: jobs.running,
                    model_sha256: self.0.store.feed.index().spec().model.to_string(),
                    caller: Some(party(&caller)),
                    passkeys_allowed: self.0.gate.policy().passkeys,
                    passkeys_known: u32::try_from(self.0.keys.passkeys_of(&caller, self.0.now()).len()).unwrap_or(u32::MAX),
                    machine: if operates { self.machine().await } else { None },
                    grafana: config.grafana.clone().filter(|_| operates).unwrap_or_default(),
                    default_retention: Some(proto::duration(config.retention.default)),
                    longest_hold: Some(proto::duration(config.retention.longest_hold)),
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
            .recorded(&caller, action, None, AuditDetail::default(), async |_| Ok(self.0.store.check(repair).await?.into()))
            .await?;
        self.0.tell_record_health().await;
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
                let Rebuilt { vectors, elapsed } = self.0.store.rebuild_index().await?;
                Ok(v1::RebuildIndexResponse { vectors, elapsed: Some(proto::duration(elapsed)) })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn start_reindex(
        &self,
        request: Request<v1::StartReindexRequest>,
    ) -> Result<Response<v1::StartReindexResponse>, Status> {
        let caller = caller(&request)?;
        let v1::StartReindexRequest { embedder, appearance_path } = request.into_inner();
        let detail = AuditDetail::default().seal(sealed(Matter::Path, format!("{embedder} {appearance_path}")));
        let reindex = self
            .reindexing(&caller, Action::StartReindex, detail, async |change| {
                let file = (!appearance_path.is_empty()).then(|| appearance_path.clone().into());
                change.start((!embedder.is_empty()).then_some(embedder), file).await
            })
            .await?;
        Ok(Response::new(v1::StartReindexResponse { reindex: Some(reindex) }))
    }

    async fn get_reindex(&self, request: Request<v1::GetReindexRequest>) -> Result<Response<v1::GetReindexResponse>, Status> {
        let caller = caller(&request)?;
        let reindex = self.reindexing(&caller, Action::GetReindex, AuditDetail::default(), ModelChange::status).await?;
        Ok(Response::new(v1::GetReindexResponse { reindex: Some(reindex) }))
    }

    async fn switch_reindex(
        &self,
        request: Request<v1::SwitchReindexRequest>,
    ) -> Result<Response<v1::SwitchReindexResponse>, Status> {
        let caller = caller(&request)?;
        let work = async |change: &ModelChange| change.switch().await;
        let reindex = self.reindexing(&caller, Action::SwitchReindex, AuditDetail::default(), work).await?;
        Ok(Response::new(v1::SwitchReindexResponse { reindex: Some(reindex) }))
    }

    async fn roll_back_reindex(
        &self,
        request: Request<v1::RollBackReindexRequest>,
    ) -> Result<Response<v1::RollBackReindexResponse>, Status> {
        let caller = caller(&request)?;
        let work = async |change: &ModelChange| change.roll_back().await;
        let reindex = self.reindexing(&caller, Action::RollBackReindex, AuditDetail::default(), work).await?;
        Ok(Response::new(v1::RollBackReindexResponse { reindex: Some(reindex) }))
    }

    async fn drop_reindex(&self, request: Request<v1::DropReindexRequest>) -> Result<Response<v1::DropReindexResponse>, Status> {
        let caller = caller(&request)?;
        let work = async |change: &ModelChange| change.drop_previous().await;
        let reindex = self.reindexing(&caller, Action::DropReindex, AuditDetail::default(), work).await?;
        Ok(Response::new(v1::DropReindexResponse { reindex: Some(reindex) }))
    }

    async fn list_audit(&self, request: Request<v1::ListAuditRequest>) -> Result<Response<v1::ListAuditResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (entries, next_page_token) = self
            .0
            .recorded(&caller, Action::ListAudit, None, AuditDetail::default(), async |_| self.audit_page(&request).await)
            .await?;
        Ok(Response::new(v1::ListAuditResponse { entries, next_page_token }))
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
                self.check_issued(&serial, &whom)?;
                let by = Some((*caller).clone());
                let revoked = RevokedIdentity { serial: serial.clone(), caller: whom, at: self.0.now(), by };
                self.0.catalogue().revoke_identity(&revoked).await?;
                self.0.callers.revoke(&serial);
                // What a revoked authoriser granted permits nothing any more: whoever streams looks again.
                self.0.rules.changed();
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
        Ok(Response::new(v1::ListRevocationsResponse {
            revocations: revoked.iter().map(revocation).collect(),
            certificates: self.certificates(&revoked),
            server_certificate_ends: self.0.home.server_certificate_ends().map(|seconds| Timestamp { seconds, nanos: 0 }),
        }))
    }
}

impl Api {
    /// `None` where it could not be looked at.
    async fn machine(&self) -> Option<v1::Machine> {
        let data = self.0.home.root().join(&self.0.config.data);
        let told = data.display().to_string();
        let machine = tokio::task::spawn_blocking(move || Machine::look(&data)).await.ok()?;
        Some(v1::Machine {
            data: told,
            disk_free_bytes: machine.disk_free,
            disk_total_bytes: machine.disk_total,
            memory_bytes: machine.memory,
            memory_limit_bytes: machine.memory_limit,
        })
    }

    /// Of each person and machine the newest certificate that was not revoked and did not end long ago, the first to end first.
    /// Where the authority is on another machine, so is its list, and there are none.
    fn certificates(&self, revoked: &[RevokedIdentity]) -> Vec<v1::Certificate> {
        let revoked: HashSet<&str> = revoked.iter().map(|r| r.serial.as_str()).collect();
        let issued = self.0.home.issued().unwrap_or_else(|error| {
            tracing::error!(%error, "the list of issued certificates can't be read");
            Vec::new()
        });
        let since = self.0.now().as_micros() / 1_000_000 - TOLD_ENDED;
        let told = |one: &IssuedIdentity| one.expires >= since && !revoked.contains(one.serial.as_str());
        let mut newest: BTreeMap<String, IssuedIdentity> = BTreeMap::new();
        for one in issued.into_iter().filter(told) {
            if newest.get(&one.uri).is_none_or(|known| known.expires < one.expires) {
                newest.insert(one.uri.clone(), one);
            }
        }
        let mut newest: Vec<_> = newest.into_values().collect();
        newest.sort_by_key(|one| one.expires);
        newest.truncate(MOST_CERTIFICATES);
        let message = |one: IssuedIdentity| v1::Certificate {
            party: one.caller().as_ref().map(party),
            expires: Some(Timestamp { seconds: one.expires, nanos: 0 }),
            serial: one.serial,
        };
        newest.into_iter().map(message).collect()
    }

    /// Whether the authority issued the certificate to that identity. Where the authority is on another machine, the operator
    /// there has looked: `sightline identity revoke` reads its list.
    fn check_issued(&self, serial: &str, whom: &Caller) -> Result<(), Fault> {
        let issued = self.0.home.issued().map_err(|e| {
            tracing::error!(error = %e, "the list of issued certificates can't be read");
            Denial::new(Why::UnknownSerial, "the list of issued certificates can't be read", "have pki/issued.jsonl put back")
        })?;
        if issued.is_empty() || issued.iter().any(|i| i.serial == serial && i.uri == whom.uri()) {
            return Ok(());
        }
        let reason = format!("no certificate {serial} was issued to {whom}");
        let hint = "`sightline identity list` shows the serial numbers and whom they name";
        Err(Denial::new(Why::UnknownSerial, reason, hint).into())
    }

    /// A call about the reindex; what it is like afterwards.
    async fn reindexing(
        &self,
        caller: &Caller,
        action: Action,
        detail: AuditDetail,
        work: impl AsyncFnOnce(&ModelChange) -> Result<reindex::Progress, ReindexError>,
    ) -> Result<v1::Reindex, Status> {
        self.0.recorded(caller, action, None, detail, async |_| Ok(message(&work(&self.0.store.reindex).await?))).await
    }
}

fn message(progress: &reindex::Progress) -> v1::Reindex {
    use reindex::State;
    let state = match progress.state {
        State::None => v1::ReindexState::None,
        State::Embedding => v1::ReindexState::Embedding,
        State::Ready => v1::ReindexState::Ready,
        State::Switched => v1::ReindexState::Switched,
    };
    let new = if progress.state == State::Switched { Some(&progress.current) } else { progress.other.as_ref() };
    let left = u32::try_from(progress.left).unwrap_or(u32::MAX);
    v1::Reindex {
        state: state.into(),
        current_sha256: progress.current.model.to_string(),
        other_sha256: progress.other.as_ref().map(|m| m.model.to_string()).unwrap_or_default(),
        embedder: new.and_then(|m| m.embedder.clone()).unwrap_or_default(),
        left: progress.left,
        embedded: progress.embedded,
        each: (progress.embedded > 0).then(|| proto::duration(progress.each)),
        time_left: (progress.embedded > 0).then(|| proto::duration(progress.each.saturating_mul(left))),
        comparison: progress.comparison.map(|c| v1::ModelComparison {
            queries: c.queries,
            agreement: c.agreement,
            best_kept: c.best_kept,
            best_elsewhere_kept: c.best_elsewhere_kept,
        }),
    }
}
